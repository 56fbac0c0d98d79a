"""When two requests mean the same: what of a body shapes its answer.

Everything does but for the fields that are named here. A field that nobody knows yet is part of the key: an answer
too few costs a call, an answer too many is wrong.
"""

import re
from types import MappingProxyType
from typing import Any

from omniroute.dialects.dialect import UNREADABLE
from omniroute.dialects.ir import Body, Native, ToolCall, ToolName, ToolResult
from omniroute.dialects.json_edit import dump
from omniroute.dialects.translate import CODECS
from omniroute.errors import BadRequest

ABOUT_STREAMS = frozenset({"stream", "stream_options"})
"""Only whole answers are looked at here, so neither says anything that counts."""

WITHOUT_EFFECT = MappingProxyType(
    {
        # Who asks, and where the provider files or caches it: no part of the answer, which repeats none of it.
        # `service_tier` is repeated in the reply, so it counts.
        "openai": ABOUT_STREAMS
        | {
            "user",
            "safety_identifier",
            "metadata",
            "store",
            "prompt_cache_key",
            "prompt_cache_retention",
        },
        # A reply of Responses repeats its request, these included: whoever sets another user is to read that one.
        "responses": ABOUT_STREAMS,
        # `metadata` has the user's id; `cache_control` is about the provider's own cache of prompts.
        "claude": ABOUT_STREAMS | {"metadata", "cache_control"},
        # Labels are for the provider's bill.
        "gemini": frozenset({"labels"}),
    }
)
"""Dialect -> fields of the body that cannot change the answer."""


def is_certain(dialect: str, body: Body) -> bool:
    """Say whether the client itself asks for temperature 0: what it leaves out is the provider's choice."""
    said: Any = body
    if dialect == "gemini":
        said = body.get("generationConfig") or body.get("generation_config")
    temperature = said.get("temperature") if isinstance(said, dict) else None
    return isinstance(temperature, int | float) and not isinstance(temperature, bool) and temperature == 0


def meaning(dialect: str, body: Body) -> bytes:
    """Write what shapes the answer; ValueError for a body that is nested too deeply.

    The order of fields counts below the first level: models read schemas and arguments as they are written.
    """
    without = WITHOUT_EFFECT[dialect]
    return dump({key: body[key] for key in sorted(body) if key not in without})


LONGEST = 2000
"""Characters of a question: models that embed texts read no more than the beginning of long ones."""
PLACES = {
    "openai": ("messages", "content"),
    "responses": ("input", "content"),
    "claude": ("messages", "content"),
    "gemini": ("contents", "parts"),
}
"""Dialect -> where its turns are, and where the words of one."""
WORDS = ("text", "input_text")
ACTS = (ToolCall, ToolResult, ToolName, Native)
_NUMBER = re.compile(r"\d+")


def question(dialect: str, body: Body) -> tuple[str, Body] | None:
    """Give the text of the user's last turn, and the body without it.

    None where the last turn is not the user's, or is more than a text of some length, and where tools were called:
    how near two of these are does not say whether they have the same answer.
    """
    turns, inner = PLACES[dialect]
    said = body.get(turns)
    rest: str | list[Any] = ""
    if isinstance(said, str):
        text = said
    elif isinstance(said, list) and said and (found := _turn(said[-1], inner)):
        text, rest = found[0], [*said[:-1], said[-1] | {inner: found[1]}]
    else:
        return None
    if not text.strip() or len(text) > LONGEST or _acts(dialect, body):
        return None
    return text, body | {turns: rest}


def numbers(text: str) -> tuple[str, ...]:
    """Give the numbers in a text, which two that are near may differ in and mean quite another thing."""
    return tuple(_NUMBER.findall(text))


def _turn(turn: Any, inner: str) -> tuple[str, Any] | None:
    if not isinstance(turn, dict) or turn.get("role", "user") != "user" or turn.get("type", "message") != "message":
        return None
    match turn.get(inner):
        case str() as text:
            return text, ""
        case list() as parts if all(map(_is_text, parts)):
            return "\n".join(part["text"] for part in parts), [part | {"text": ""} for part in parts]
        case _:
            return None


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str) and part.get("type", "text") in WORDS


def _acts(dialect: str, body: Body) -> bool:
    try:
        request = CODECS[dialect].read_request(body)
    except (BadRequest, *UNREADABLE):
        return True  # it cannot be told
    return any(isinstance(part, ACTS) for message in request.messages for part in message.parts)
