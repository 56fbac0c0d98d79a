"""What becomes of one feature on its way from one dialect into another, found out by translating it.

A feature is said by a client in its dialect, and looked for in what the upstream gets: a *fragment* of JSON that
has to be in there. Nothing may disappear without a trace: what is neither found, nor reported, nor refused fails.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omniroute.dialects import hub
from omniroute.dialects.ir import Body
from omniroute.errors import BadRequest

DIALECTS = ("openai", "responses", "claude", "gemini")
TITLES = {
    "openai": "OpenAI Chat",
    "responses": "OpenAI Responses",
    "claude": "Anthropic Messages",
    "gemini": "Gemini",
}
MODELS = {"openai": "gpt-4o", "responses": "gpt-4o", "claude": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
HI = "Hi."
BASES: dict[str, Body] = {
    "openai": {"messages": [{"role": "user", "content": HI}]},
    "responses": {"input": [{"role": "user", "content": HI}]},
    "claude": {"messages": [{"role": "user", "content": HI}], "max_tokens": 4000},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": HI}]}]},
}

type Fragment = Body | Callable[[str], Body]
"""A piece of a body; a function where it depends on the dialect of the other side."""


@dataclass(frozen=True)
class Feature:
    """One thing that a request may say."""

    name: str
    says: Mapping[str, Fragment]
    """How a client of each dialect says it; a dialect that is not there cannot say it."""
    sees: Mapping[str, Fragment] = field(default_factory=dict)
    """How each dialect says it to an upstream, where that is not `says`: the same meaning in the same shape."""
    mapped: Mapping[str, tuple[str, Fragment]] = field(default_factory=dict)
    """How the meaning is kept in other words: what to call it in the table, and what is then found."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Models of a family that has it, where the plain ones have not."""


def at(fragment: Fragment, other: str) -> Body:
    return fragment(other) if callable(fragment) else fragment


def body_of(feature: Feature, client: str, upstream: str) -> Body:
    """Make the request in which the client uses the feature."""
    model = {} if client == "gemini" else {"model": "asked"}
    return model | BASES[client] | at(feature.says[client], upstream)


def prepare(client: str, upstream: str, body: Body, model: str) -> hub.Prepared:
    raw = json.dumps(body).encode()
    return hub.prepare(client, upstream, raw, body, model=model, stream=False, stream_usage=True, max_output=None)


def classify(feature: Feature, client: str, upstream: str) -> str:
    """Say what becomes of a feature; an AssertionError where it disappears."""
    if client not in feature.says:
        return "–"
    body = body_of(feature, client, upstream)
    try:
        prepared = prepare(client, upstream, body, feature.models.get(upstream, MODELS[upstream]))
    except BadRequest as refused:
        return "refused" if refused.param else f"refused without a field: {refused}"
    said = plain(upstream, json.loads(prepared.raw))
    kept = {**feature.says, **feature.sees}.get(upstream)
    if not prepared.dropped and kept is not None and found(plain(upstream, at(kept, client)), said):
        return "kept"
    if upstream in feature.mapped:
        words, fragment = feature.mapped[upstream]
        if found(plain(upstream, at(fragment, client)), said):
            return f"mapped: {words}" + (", reported" if prepared.dropped else "")
    assert prepared.dropped, (
        f"{feature.name} is silently lost from {client} to {upstream}:\n{json.dumps(body)}\n{json.dumps(said)}"
    )
    return "dropped"


def found(fragment: Any, body: Any) -> bool:
    """Whether all of a fragment is in a body: of objects each field, of lists each element in this order."""
    match fragment, body:
        case dict(), dict():
            return all(key in body and found(value, body[key]) for key, value in fragment.items())
        case list(), list():
            rest = iter(body)
            return all(any(found(wanted, item) for item in rest) for wanted in fragment)
        case _ if callable(fragment):
            return bool(fragment(body))
        case _:
            return type(fragment) is type(body) and fragment == body


def plain(dialect: str, body: Body) -> Body:
    """Spell a body out: a text that may stand for a list of parts becomes that list."""
    body = dict(body)
    for key in ("messages", "input"):
        if isinstance(body.get(key), list):
            body[key] = [_message(dialect, message) for message in body[key]]
    if isinstance(body.get("system"), str):
        body["system"] = _texts(body["system"], "text")
    return body


def _message(dialect: str, message: Body) -> Body:
    message = dict(message)
    kind = "text"
    if dialect == "responses":
        message.setdefault("type", "message")
        kind = "output_text" if message.get("role") == "assistant" else "input_text"
    for key in ("content", "output"):
        message |= {key: _texts(message[key], kind)} if key in message else {}
    return message


def _texts(content: Any, kind: str) -> Any:
    if isinstance(content, str):
        return [{"type": kind, "text": content}] if content else []
    if isinstance(content, list):
        return [
            part | {"content": _texts(part["content"], kind)} if isinstance(part, dict) and "content" in part else part
            for part in content
        ]
    return content
