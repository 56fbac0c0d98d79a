"""Reader for Gemini requests: wire -> form."""

from collections.abc import Mapping
from typing import Any

from omniroute.dialects.gemini.field_case import camel
from omniroute.dialects.gemini.read_contents import own, read_contents, read_system, rest
from omniroute.dialects.ir import Body, Format, Native, Request, Thinking, Tool, ToolChoice
from omniroute.dialects.json_schema import allow_null
from omniroute.dialects.validate import expect, objects, optional, refuse, required

type Schema = Mapping[str, Any]

DEPTH = 60

COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


def read_schema(schema: Any, depth: int = 0) -> Any:
    """Convert a schema in Gemini's format, or a JSON schema with upper-case types, to a JSON schema."""
    if not isinstance(schema, dict) or depth > DEPTH:
        return schema
    body = camel({str(key): value for key, value in schema.items()})
    read: dict[str, Any] = {}
    for key, value in body.items():
        if key == "type":
            read[key] = _read_type(value)
        elif key in ("properties", "$defs", "definitions", "defs") and isinstance(value, dict):
            read[key] = {name: read_schema(inner, depth + 1) for name, inner in value.items()}
        elif key in ("items", "additionalProperties", "not"):
            read[key] = read_schema(value, depth + 1)
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            read[key] = [read_schema(inner, depth + 1) for inner in value]
        elif key in COUNTS and isinstance(value, str) and value.isdigit():
            read[key] = int(value)
        elif key not in ("nullable", "propertyOrdering") and (key, value) != ("format", "enum"):
            read[key] = value
    if body.get("nullable") is True:
        allow_null(read)
    return read


def _read_type(value: Any) -> Any:
    if isinstance(value, list):
        return [_read_type(item) for item in value]
    return value.lower() if isinstance(value, str) and value.isupper() else value


READ = ("model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent")
CONFIG = "generationConfig"
TUNING: Mapping[str, tuple[str, type]] = {
    "topK": ("top_k", int),
    "seed": ("seed", int),
    "candidateCount": ("n", int),
    "responseLogprobs": ("logprobs", bool),
    "logprobs": ("top_logprobs", int),
    "frequencyPenalty": ("frequency_penalty", float),
    "presencePenalty": ("presence_penalty", float),
}
READ_CONFIG = {
    *("temperature", "topP", "maxOutputTokens", "stopSequences", "thinkingConfig", "responseMimeType"),
    *("responseSchema", "responseJsonSchema", "responseModalities", *TUNING),
}
MODES: Mapping[str, Any] = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}


def read_request(body: Body) -> Request:
    """Read a request. Raise BadRequest, naming the field, for a missing, mistyped or unsupported field.

    The model and the choice of streaming are in the URL path, not in the body.
    """
    body = camel(body)
    contents = required(body, "contents", list)
    if not contents:
        raise refuse("contents", "must hold at least one turn")
    config = camel(optional(body, CONFIG, dict) or {})
    choice, choice_extra = _tool_choice(body.get("toolConfig"))
    thinking, thinking_extra = _thinking(config)
    extra = {
        **rest(body, *READ).get("gemini", {}),
        **{f"{CONFIG}.{key}": value for key, value in config.items() if key not in READ_CONFIG},
        **choice_extra,
        **thinking_extra,
    }
    return Request(
        model=optional(body, "model", str) or "",
        messages=read_system(body.get("systemInstruction")) + read_contents(contents),
        tools=_tools(optional(body, "tools", list) or []),
        tool_choice=choice,
        max_output=_whole(config, "maxOutputTokens"),
        temperature=optional(config, "temperature", float, CONFIG),
        top_p=optional(config, "topP", float, CONFIG),
        stop=tuple(
            expect(stop, str, f"{CONFIG}.stopSequences[{i}]")
            for i, stop in enumerate(optional(config, "stopSequences", list, CONFIG) or [])
        ),
        thinking=thinking,
        format=_format(config),
        tuning=_tuning(config),
        needs=_needs(body, config),
        extra=own(extra),
    )


def _whole(config: Body, key: str) -> int | None:
    """Read an integer; the official Python library writes some of them as floats."""
    value = config.get(key)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return optional(config, key, int, CONFIG)


def _tuning(config: Body) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, (name, kind) in TUNING.items():
        value = _whole(config, key) if kind is int else optional(config, key, kind, CONFIG)
        if value is not None:
            found[name] = value
    return found


def _needs(body: Body, config: Body) -> tuple[Native, ...]:
    """Return the fields that only Google can serve: cached content, and images or speech as output."""
    needs: list[Native] = []
    if body.get("cachedContent"):
        needs.append(Native("gemini", {"cachedContent": body["cachedContent"]}, "cachedContent"))
    wanted = optional(config, "responseModalities", list, CONFIG)
    if wanted and {str(item).upper() for item in wanted} != {"TEXT"}:
        path = f"{CONFIG}.responseModalities"
        needs.append(Native("gemini", {"responseModalities": wanted}, path))
    return tuple(needs)


def _tools(tools: list[Any]) -> tuple[Tool | Native, ...]:
    found: list[Tool | Native] = []
    for tool, path in objects(tools, "tools"):
        for key, value in camel(tool).items():
            where = f"{path}.{key}"
            if key == "functionDeclarations":
                declared = objects(expect(value, list, where), where)
                found += [_function(camel(function), at) for function, at in declared]
            else:
                found.append(Native("gemini", {key: value}, where))
    return tuple(found)


def _function(function: Body, path: str) -> Tool:
    schema = optional(function, "parametersJsonSchema", dict, path) or optional(function, "parameters", dict, path)
    known = ("name", "description", "parameters", "parametersJsonSchema")
    return Tool(
        required(function, "name", str, path),
        optional(function, "description", str, path),
        None if schema is None else read_schema(schema),
        path=path,
        extra=rest(function, *known),
    )


def _tool_choice(config: Any) -> tuple[ToolChoice | None, dict[str, Any]]:
    if config is None:
        return None, {}
    config = camel(expect(config, dict, "toolConfig"))
    extra = {f"toolConfig.{key}": value for key, value in config.items() if key != "functionCallingConfig"}
    path = "toolConfig.functionCallingConfig"
    calling = optional(config, "functionCallingConfig", dict, "toolConfig")
    if calling is None:
        return None, extra
    calling = camel(calling)
    mode = (optional(calling, "mode", str, path) or "AUTO").upper().replace("MODE_UNSPECIFIED", "AUTO")
    if mode not in MODES:
        raise refuse(f"{path}.mode", f"must be AUTO, ANY, NONE or VALIDATED, not {mode!r}")
    names = optional(calling, "allowedFunctionNames", list, path) or []
    allowed = tuple(expect(name, str, f"{path}.allowedFunctionNames[{i}]") for i, name in enumerate(names))
    extra |= {f"{path}.{key}": value for key, value in calling.items() if key not in ("mode", "allowedFunctionNames")}
    if mode == "VALIDATED" and not allowed:
        extra[f"{path}.mode"] = mode
    if mode == "ANY" and len(allowed) == 1:
        return ToolChoice("named", allowed[0]), extra
    return ToolChoice(MODES[mode], allowed=() if mode == "NONE" else allowed), extra


def _thinking(config: Body) -> tuple[Thinking | None, dict[str, Any]]:
    path = f"{CONFIG}.thinkingConfig"
    wanted = optional(config, "thinkingConfig", dict, CONFIG)
    if wanted is None:
        return None, {}
    wanted = camel(wanted)
    known = ("thinkingBudget", "thinkingLevel", "includeThoughts")
    extra = {f"{path}.{key}": value for key, value in wanted.items() if key not in known}
    shown = optional(wanted, "includeThoughts", bool, path)
    if shown is False:  # other dialects show thoughts by default, so only False must be kept
        extra[f"{path}.includeThoughts"] = False
    budget = wanted.get("thinkingBudget")
    budget = optional(wanted, "thinkingBudget", int, path) if budget is not None else None
    level = (optional(wanted, "thinkingLevel", str, path) or "").lower()
    effort = level if level and "unspecified" not in level else None
    if budget is None:
        return (Thinking(effort=effort) if effort else None), extra
    if budget <= 0:
        return Thinking("adaptive" if budget else "off", effort=effort), extra
    return Thinking("budget", budget, effort), extra


def _format(config: Body) -> Format | None:
    mime = optional(config, "responseMimeType", str, CONFIG)
    schema = optional(config, "responseJsonSchema", dict, CONFIG) or optional(config, "responseSchema", dict, CONFIG)
    if mime in (None, "", "text/plain"):
        return None
    if mime not in ("application/json", "text/x.enum"):
        raise refuse(f"{CONFIG}.responseMimeType", f"must be text/plain or application/json, not {mime!r}")
    if mime == "text/x.enum":
        raise refuse(f"{CONFIG}.responseMimeType", "text/x.enum cannot be translated: use application/json")
    return Format(None if schema is None else read_schema(schema))
