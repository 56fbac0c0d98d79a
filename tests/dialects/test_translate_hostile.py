"""Requests that hold everything, spoiled in every place: read, or refused by the path; and nothing goes silently."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
from cases import every
from everything_kit import EVERYTHING

from omniroute.dialects import hub
from omniroute.dialects.translate import PAIRS
from omniroute.errors import BadRequest

MODELS = {
    "openai": "openai/gpt-oss-120b",
    "claude": "claude-opus-4-5",
    "responses": "gpt-5.1",
    "gemini": "gemini-3.1-pro-preview",
}
JUNK: list[Any] = [None, True, 5, -1, 1.5, 2**63, "", "x", [], {}, [None], [1], [[]], [{}], {"a": 1}]
TURNS = {"openai": "messages", "claude": "messages", "responses": "input", "gemini": "contents"}

type Place = tuple[str | int, ...]


def walk(value: Any, *place: str | int) -> Iterator[Place]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield (*place, step)
        yield from walk(inner, *place, step)


def spell(place: Place) -> str:
    path = ""
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def spoiled(client: str, place: Place, value: Any) -> dict[str, Any]:
    """Give all that the dialect can say with another value in one place."""
    body: dict[str, Any] = orjson.loads(orjson.dumps(EVERYTHING[client]))
    holder: Any = body
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return body


def say(client: str, upstream: str, body: dict[str, Any]) -> hub.Prepared | BadRequest:
    try:
        return hub.prepare(
            client, upstream, b"", body, model=MODELS[upstream], stream=False, stream_usage=True, max_output=None
        )
    except BadRequest as refused:
        return refused


@every(("client", "upstream"), sorted(PAIRS))
def test_whatever_is_wrong_is_read_or_refused_by_its_path(client: str, upstream: str) -> None:
    assert isinstance(say(client, upstream, EVERYTHING[client]), hub.Prepared)
    for place in walk(EVERYTHING[client]):
        for junk in JUNK:
            found = say(client, upstream, spoiled(client, place, junk))
            if isinstance(found, hub.Prepared):
                assert isinstance(orjson.loads(found.raw), dict)
                continue
            param, path = found.param, spell(place)
            assert param is not None, (path, junk)
            assert param in found.message
            # What a choice of tools names may be gone; all else is refused at the place, beside it, or above it.
            beside = spell(place[:-1])
            assert param.startswith(beside) or path.startswith(param) or param in {"tool_choice", "toolConfig"}, path


def other(value: Any) -> Any:
    """Give another value of the kind that must not go unnoticed; None where there is none."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value / 2 if value != int(value) else value + 1
    return f"{value}Z" if isinstance(value, str) else None


LABELS = {"model", "id", "status", "type", "role", "mimeType"}
"""What names things or tells of kinds; a wrong kind is another test's matter, the model is the route's."""
CALLED: dict[str, tuple[str, ...]] = {
    # What a field is reported as, where its own name is not in the report.
    "max_completion_tokens": ("max_tokens",),
    "reasoning_details": ("messages.thinking", "messages.reasoning"),
    "thinking": ("messages.reasoning",),
    "encrypted_content": ("input.thinking", "input.reasoning"),
    "content": ("messages.server_tool_use", "input.thinking", "input.reasoning"),
    "text": ("contents.thinking", "contents.reasoning"),
    "thoughtSignature": ("contents.thinking", "contents.reasoning", "tool_calls.thoughtSignature"),
    "filename": ("document.title",),
}
SAID_ONCE: dict[str, str] = {
    "max_tokens": "max_completion_tokens stands for it",
    "reasoning_content": "its details say it",
    "stream_options": "the gateway asks for usage itself",
    "name": "a schema's name says nothing of the answer; a result's says what its id says",
    "strict": "Claude and Gemini always keep to a schema",
    "thinkingBudget": "an effort says it",
}


def noticed(place: Place, dropped: tuple[str, ...]) -> bool:
    """Whether the report has the field, one that holds it, or what it is called there."""
    steps = {str(step) for step in place}
    called = {name for step in steps for name in CALLED.get(step, ())}
    return bool(steps & {name.rpartition(".")[2] for name in dropped}) or bool(called & set(dropped))


@every(("client", "upstream"), sorted(PAIRS))
def test_no_value_is_silently_lost(client: str, upstream: str) -> None:
    """Each single value is changed: the upstream is told so, or the report names the field."""
    whole = EVERYTHING[client]
    before = say(client, upstream, whole)
    assert isinstance(before, hub.Prepared)
    lost = []
    for place in walk(whole):
        value: Any = whole
        for step in place:
            value = value[step]
        if (changed := other(value)) is None or place[-1] in LABELS:
            continue
        after = say(client, upstream, spoiled(client, place, changed))
        if isinstance(after, BadRequest) or after != before:
            continue
        if not noticed(place, after.dropped) and not {str(step) for step in place} & set(SAID_ONCE):
            lost.append(spell(place))
    assert lost == [], before.dropped


def test_what_orjson_cannot_hold_is_no_error_of_ours() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = {"a": deep}
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": deep}}}}
    call = {"id": "c", "function": {"name": "f", "arguments": json.dumps(deep)}}
    for upstream in ("claude", "responses", "gemini"):
        for more in (
            {"tools": [tool]},
            {"metadata": deep},
            {"messages": [*body["messages"], {"role": "assistant", "tool_calls": [call]}]},
            {"response_format": {"type": "json_schema", "json_schema": {"schema": tool["function"]["parameters"]}}},  # type: ignore[index]
        ):
            found = say("openai", upstream, body | more)
            assert isinstance(found, BadRequest) or orjson.loads(found.raw)
