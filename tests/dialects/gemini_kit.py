"""What the tests of Gemini's requests share: Google's SDK as the judge."""

import re
from typing import Any

from google.genai import types
from pydantic import BaseModel

KEYWORDS = {
    *("type", "format", "title", "description", "enum", "items", "prefixItems", "minItems", "maxItems", "minimum"),
    *("maximum", "anyOf", "properties", "additionalProperties", "required", "propertyOrdering", "default", "pattern"),
    *("minLength", "maxLength", "minProperties", "maxProperties", "example", "examples"),
}
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
TOP = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent"}
TOP |= {"safetySettings", "labels"}


def fields(kind: type[BaseModel]) -> set[str]:
    """Give the names that a type of the SDK has on the wire."""
    return {field.alias or name for name, field in kind.model_fields.items()}


def judge(body: dict[str, Any]) -> None:
    """Hold a request against the SDK's types, none of which takes a field that it does not have."""
    assert set(body) <= TOP, body.keys()
    asked = {
        part["functionCall"]["id"] for turn in body["contents"] for part in turn["parts"] if "functionCall" in part
    }
    for turn in body["contents"]:
        types.Content.model_validate(turn)
        assert turn["role"] in {"user", "model"}
        assert turn["parts"]
        for part in turn["parts"]:
            for key in ("functionCall", "functionResponse"):
                if key in part:
                    assert NAME.fullmatch(part[key]["name"])
            if "functionResponse" in part:
                assert part["functionResponse"]["id"] in asked
    if "systemInstruction" in body:
        types.Content.model_validate(body["systemInstruction"])
    for tool in body.get("tools", []):
        types.Tool.model_validate(tool)
        for function in tool.get("functionDeclarations", []):
            assert NAME.fullmatch(function["name"])
            judge_schema(function.get("parametersJsonSchema", {}))
    if "toolConfig" in body:
        types.ToolConfig.model_validate(body["toolConfig"])
    config = body.get("generationConfig", {})
    assert set(config) <= fields(types.GenerationConfig)
    types.GenerationConfig.model_validate(config)
    judge_schema(config.get("responseJsonSchema", {}))


def judge_schema(schema: Any) -> None:
    """Hold a schema against the keywords that Gemini documents."""
    if not isinstance(schema, dict):
        return
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    for inner in schema.get("properties", {}).values():
        judge_schema(inner)
    for key in ("items", "additionalProperties"):
        judge_schema(schema.get(key))
    for key in ("anyOf", "prefixItems"):
        for inner in schema.get(key, []):
            judge_schema(inner)
