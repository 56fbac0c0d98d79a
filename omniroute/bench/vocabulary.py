"""What a request says and what an answer says, in no dialect: two that mean the same are equal.

Nothing here, or in what reads and writes the four dialects beside it, is shared with the translators that are tested.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

type Body = dict[str, Any]
type End = Literal["stop", "tools", "length", ""]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
"""A picture of one pixel."""
TOOL = "get_weather"
ABOUT = "Tell the weather of a city"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
INPUT, OUTPUT = 31, 17
"""Tokens of every scripted answer."""
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    city: str


@dataclass(frozen=True, slots=True)
class Result:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    role: Literal["user", "assistant"]
    text: str = ""
    image: bool = False
    calls: tuple[Call, ...] = ()
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """A request."""

    turns: tuple[Turn, ...]
    system: str = ""
    tools: bool = False
    thinks: bool = False
    schema: bool = False
    temperature: float | None = None
    stop: str | None = None
    stream: bool = False
    limit: int = 12_000


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """What was read out of a request. Texts are those of each role's turns, in order."""

    system: str = ""
    user: tuple[str, ...] = ()
    assistant: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    thinks: bool = False
    schema: tuple[str, ...] = ()
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class BenchReply:
    """An answer."""

    text: str = ""
    thought: str = ""
    calls: tuple[str, ...] = ()
    end: End = ""
    input: int | None = None
    output: int | None = None
    fault: str = ""
    """The error that it ended with."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a scripted upstream answers."""

    text: str = ""
    thought: str = ""
    cities: tuple[str, ...] = ()
    """What the tool is called with, once for each."""
    status: int = 200
    """Any other is a refusal in these words."""
    breaks: bool = False
    """It hangs up in the middle."""

    @property
    def calls(self) -> list[Call]:
        return [Call(f"call_{at}_scripted", city) for at, city in enumerate(self.cities)]

    @property
    def spoken(self) -> BenchReply:
        """What a client has to hear."""
        calls = tuple(call_text(TOOL, {"city": city}) for city in self.cities)
        end: End = "tools" if calls else "stop"
        return BenchReply(self.text, self.thought, calls, end, INPUT, OUTPUT)


def call_text(name: object, arguments: object) -> str:
    """Write a call as one text; arguments may be JSON in a text, as some dialects have them."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return f"{name} {arguments}"
    return f"{name} {json.dumps(arguments, sort_keys=True)}"


def fields(schema: object) -> tuple[str, ...]:
    """Name the properties of a schema."""
    found = schema.get("properties") if isinstance(schema, dict) else None
    return tuple(sorted(found)) if isinstance(found, dict) else ()


def texts(content: object, key: str = "text") -> str:
    """Put the texts of a content together: it is a text, or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get(key, "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def halves(text: str) -> tuple[str, str]:
    """Cut a text as a stream would."""
    return text[: len(text) // 2], text[len(text) // 2 :]


def sse(data: Body, event: str | None = None) -> bytes:
    named = f"event: {event}\n" if event else ""
    return f"{named}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def frames(raw: bytes) -> Iterator[Body]:
    """Read the data of a stream's events that are JSON objects."""
    for block in raw.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = b"\n".join(line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:"))
        try:
            found = json.loads(data)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def parts(content: object) -> Iterable[Body]:
    """Give the parts of a content; a bare text is one."""
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else ()
