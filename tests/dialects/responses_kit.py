"""What the tests of OpenAI Responses share: its requests judged by the SDK, and made-up conversations in it."""

from typing import Any

from hypothesis import strategies as st
from openai.types.responses import response_create_params as params
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from openai.types.responses.tool_param import ToolParam
from pydantic import TypeAdapter
from translate_kit import DATA, INPUTS, NAMES, WORDS, compact

PARAMS = params.ResponseCreateParamsStreaming
BODY: TypeAdapter[Any] = TypeAdapter(PARAMS)
ITEM: TypeAdapter[Any] = TypeAdapter(ResponseInputItemParam)
TOOL: TypeAdapter[Any] = TypeAdapter(ToolParam)
# The SDK wants ids and the like of items that came from the service; it takes clients' own items without them.
LABELS: dict[str, dict[str, Any]] = {"reasoning": {"id": "rs_1"}, "message": {"id": "msg_1", "status": "completed"}}
HI = [{"role": "user", "content": "hi"}]
MODELS = {"openai": "gpt-4o", "claude": "claude-sonnet-4-5", "responses": "gpt-5.1"}


def judge(body: dict[str, Any]) -> None:
    """Hold a request against the SDK's parameters: their types, and no field that they do not have."""
    assert set(body) <= set(PARAMS.__annotations__), set(body) - set(PARAMS.__annotations__)
    BODY.validate_python(body | {"stream": True, "input": []})
    for item in body["input"]:
        kind = item.get("type", "message")
        bare = kind == "message" and (isinstance(item["content"], str) or item["role"] != "assistant")
        ITEM.validate_python(item if bare else LABELS.get(kind, {}) | item)
    for tool in body.get("tools", []):
        TOOL.validate_python(tool)


SCHEMAS = st.builds(
    lambda names: {"type": "object", "properties": {name: {"type": "string"} for name in names}},
    st.lists(st.sampled_from(["title", "format", "pattern", "path"]), max_size=3, unique=True),
)
INLINE = st.builds(lambda data: f"data:image/png;base64,{data}", DATA)
IMAGE = st.builds(
    lambda url: {"type": "input_image", "detail": "auto", "image_url": url}, INLINE | st.just("https://e.org/a.png")
)
PDF = st.builds(
    lambda data: {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}, DATA
)
TEXT = st.builds(lambda text: {"type": "input_text", "text": text}, WORDS)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Make a request out of what each dialect can say."""
    items: list[dict[str, Any]] = []
    if draw(st.booleans()):
        items.append({"role": draw(st.sampled_from(["system", "developer"])), "content": draw(WORDS)})
    for turn in range(draw(st.integers(1, 3))):
        items.append(
            {"type": "message", "role": "user", "content": draw(WORDS | st.tuples(TEXT, IMAGE | PDF).map(list))}
        )
        items.append(
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": draw(WORDS)}]}
        )
        calls = draw(st.lists(st.tuples(NAMES, INPUTS), max_size=3))
        for i, (name, given) in enumerate(calls):
            call = {"type": "function_call", "call_id": f"call_{turn}_{i}", "name": name}
            items.append(call | {"arguments": compact(given)})
        items += [
            {"type": "function_call_output", "call_id": f"call_{turn}_{i}", "output": draw(WORDS)}
            for i in range(len(calls))
        ]
    items.append({"role": "user", "content": draw(WORDS)})
    body: dict[str, Any] = {"model": "asked", "input": items, "max_output_tokens": draw(st.integers(16, 9999))}
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    if names:
        body["tools"] = [
            {"type": "function", "name": name, "description": draw(WORDS), "parameters": draw(SCHEMAS), "strict": False}
            for name in names
        ]
        body["tool_choice"] = draw(st.sampled_from(["auto", "required", {"type": "function", "name": names[0]}]))
        body["parallel_tool_calls"] = draw(st.booleans())
    optional: dict[str, Any] = {"temperature": st.floats(0, 1), "user": WORDS, "text": st.just({"format": FORMAT})}
    for key, values in optional.items():
        if draw(st.booleans()):
            body[key] = draw(values)
    return body


FORMAT = {
    "type": "json_schema",
    "name": "answer",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    },
}
