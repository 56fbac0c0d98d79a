"""The model behind every faithful provider: it sees a conversation in no dialect, and does what it is told.

What the user says last is the task. `Fail with 429.` and `Break off.` are errors, before and after content;
`Run out.`, `Refuse.` and `Be filtered.` are ends; a city is asked for at the tool, where one is offered. What it
says in the end tells what it was shown, so that a test sees what came through.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

type Body = dict[str, Any]
type End = Literal["stop", "length", "refusal", "filter"]

INPUT, CACHED, OUTPUT, REASONED = 137, 19, 43, 17
"""All input tokens, how many of them came from a cache, all output tokens, how many of them were thoughts."""
CITIES = ("Oslo", "Rome", "Quito")
FAIL = re.compile(r"Fail with (\d+)")
RETRY_AFTER = "7"
DECLINED = "I will not say that."


class Refused(Exception):
    """What a provider answers instead of a reply."""

    def __init__(self, message: str, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def demand(holds: object, rule: str) -> None:
    """Refuse the request that breaks a rule."""
    if not holds:
        raise Refused(rule)


@dataclass
class Turn:
    role: str
    texts: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)


@dataclass
class Conversation:
    turns: list[Turn]
    tools: list[str]
    schema: Body | None = None
    thinks: bool = False


@dataclass(frozen=True)
class Answer:
    thought: str = ""
    text: str = ""
    cities: tuple[str, ...] = ()
    """What the tool is called with, once for each."""
    end: End = "stop"
    breaks: bool = False
    """The connection stays, but an error comes in the middle of a stream."""


def task(turns: Iterable[Turn]) -> str:
    """Give what the user has said last."""
    return next((" ".join(turn.texts) for turn in reversed(list(turns)) if turn.role == "user" and turn.texts), "")


def thought(said: str) -> str:
    return f"Let me think about this: {said}"


def seal(dialect: str, text: str) -> str:
    """Sign a thought: whoever changes the thought, or the seal, is found out."""
    return base64.b64encode(hashlib.sha256(f"{dialect} {text}".encode()).digest()).decode()


def picture(mime: str, data: str) -> str:
    return f"{mime} of {len(base64.b64decode(data, validate=True))} bytes"


def play(asked: Conversation) -> Answer:
    said = task(asked.turns)
    if found := FAIL.search(said):
        raise Refused(f"told to fail with {found[1]}", int(found[1]))
    musing = thought(said) if asked.thinks else ""
    for command, end in (("Run out.", "length"), ("Refuse.", "refusal"), ("Be filtered.", "filter")):
        if command in said:
            return Answer(musing, DECLINED if end == "refusal" else "Once upon a", end=end)  # type: ignore[arg-type]
    since = max(i for i, turn in enumerate(asked.turns) if turn.role == "user" and turn.texts)
    results = [result for turn in asked.turns[since:] for result in turn.results]
    if results and any(city in said for city in CITIES):
        spoken = "".join(text for turn in asked.turns[since:] if turn.role == "assistant" for text in turn.texts)
        demand(spoken == "I will look.", f"what was said beside the calls came back as {spoken!r}")
    pictures = [shown for turn in asked.turns[since:] for shown in turn.pictures]
    if asked.tools and not results and (cities := tuple(city for city in CITIES if city in said)):
        return Answer(musing, "I will look.", cities)
    return Answer(musing, _words(asked, results, pictures), breaks="Break off." in said)


def _words(asked: Conversation, results: list[str], pictures: list[str]) -> str:
    if asked.schema is not None:
        return json.dumps(fill(asked.schema, asked.schema))
    if results or pictures:
        return "; ".join(
            [*(f"the tool said {result}" for result in sorted(results)), *(f"I see {shown}" for shown in pictures)]
        )
    return " | ".join(f"{turn.role}: {' '.join(turn.texts)}" for turn in asked.turns)


def fill(schema: Body, root: Body, name: str = "") -> Any:
    """Make something of this shape up; numbers and words are always the same."""
    if "$ref" in schema:
        where: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            where = where[step]
        return fill(where, root, name)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return fill(schema[key][0], root, name)
    if "enum" in schema or "const" in schema:
        return schema["enum"][0] if "enum" in schema else schema["const"]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind.lower():
        case "object":
            return {key: fill(inner, root, key) for key, inner in schema.get("properties", {}).items()}
        case "array":
            return [fill(schema["items"], root, name)]
        case "integer" | "number":
            return 7
        case "boolean":
            return True
        case _:
            return f"a {name}"
