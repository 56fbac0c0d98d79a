"""The last thing that a user says in a request, apart from all else."""

import re
from typing import Any

from omniroute.dialects.dialect import UNREADABLE
from omniroute.dialects.ir import Body, Native, ToolCall, ToolName, ToolResult
from omniroute.dialects.translate import SPOKES
from omniroute.errors import BadRequest

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
        request = SPOKES[dialect].read_request(body)
    except (BadRequest, *UNREADABLE):
        return True  # it cannot be told
    return any(isinstance(part, ACTS) for message in request.messages for part in message.parts)
