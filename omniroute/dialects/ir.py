"""The one shape that every dialect is read into and written from.

Values only: no ids of ours, no clocks, no I/O. Two requests that mean the same are equal. What only one
dialect knows travels in `extra`, under that dialect's name, and goes back out to that dialect alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

type Body = dict[str, Any]
type Extra = Mapping[str, Mapping[str, Any]]

NO_EXTRA: Extra = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the upstream counted them; None where it said nothing.

    `input` includes what was read from or written to a prompt cache, `output` includes reasoning,
    whatever the dialect's own way of counting is.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    doubted: tuple[str, ...] = field(default=(), compare=False)
    """Names of the upstream's fields whose numbers no request can have used: they count as not given."""

    def counts(self) -> dict[str, int | None]:
        """Give the token counts by class, without `doubted`."""
        classes = ("input", "output", "cache_read", "cache_write", "reasoning")
        return {name: getattr(self, name) for name in classes}


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that an upstream told us, or that we saw in what it said.

    `kind` is the upstream's own type word (`rate_limit_error`, `RESOURCE_EXHAUSTED`, …) or one of ours:
    `garbage` (cannot be read), `cut` (ended before its end), `empty` (ended without having said anything).
    """

    kind: str
    message: str
    code: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A page on the web that the text it stands on relies on."""

    url: str
    title: str = ""
    quote: str = ""
    extra: Extra = NO_EXTRA


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How probable a token was: the logarithm of it, and those of the tokens that could have stood there."""

    token: str
    logprob: float
    data: bytes | None = None
    """What the token is in the text, where it may be a part of a character."""
    others: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    text: str = ""
    citations: tuple[Citation, ...] = ()
    extra: Extra = NO_EXTRA
    odds: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Text by which the model declines."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    text: str = ""
    signature: str | None = None
    """The provider's seal: without it the provider does not take its own reasoning back."""
    sealed: str | None = None
    """Reasoning that only its provider can read; then there is no text."""
    origin: str | None = None
    """The dialect whose providers know the seal."""
    extra: Extra = NO_EXTRA


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, a document or a sound: `data` (base64) with its `mime`, or a `url`."""

    kind: Literal["image", "document", "audio"]
    mime: str | None = None
    data: str | None = None
    url: str | None = None
    name: str | None = None
    path: str = field(default="", compare=False)
    """Where it stood in the body: a dialect that cannot say it refuses by this name."""
    extra: Extra = NO_EXTRA


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str = ""
    """JSON as the model wrote it: it may be half a document, so only a dialect that needs an object parses it."""
    extra: Extra = NO_EXTRA


@dataclass(frozen=True, slots=True)
class ToolName:
    """The result of a search for tools: the name of one that may be called from now on."""

    name: str
    extra: Extra = NO_EXTRA


@dataclass(frozen=True, slots=True)
class Native:
    """What only `dialect` can say, in its own words."""

    dialect: str
    body: Mapping[str, Any]
    path: str = field(default="", compare=False)
    needed: bool = True
    """The request makes no sense without it: other dialects refuse instead of leaving it out."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    call_id: str
    parts: tuple["Text | Media | ToolName | Native", ...] = ()
    error: bool = False
    extra: Extra = NO_EXTRA


type Part = Text | Refusal | Reasoning | Media | ToolCall | ToolResult | ToolName | Native


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "developer", "user", "assistant"]
    """Results of tools stand in messages of the user."""
    parts: tuple[Part, ...]
    extra: Extra = NO_EXTRA


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    strict: bool | None = None
    path: str = field(default="", compare=False)
    extra: Extra = NO_EXTRA


@dataclass(frozen=True, slots=True)
class ToolChoice:
    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None
    """The tool that `named` means."""
    allowed: tuple[str, ...] = ()
    """The only tools that may be called; empty allows all that are offered."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """How much the model should reason before it answers; None where the client left it to the model."""

    mode: Literal["off", "budget", "adaptive"] | None = None
    budget: int | None = None
    effort: str | None = None
    """`minimal`, `low`, `medium`, `high`, `xhigh` or `max`."""


@dataclass(frozen=True, slots=True)
class Format:
    """The answer as JSON; with a schema, as JSON of that shape."""

    schema: Mapping[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Request:
    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    tools: tuple[Tool | Native, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    """Whether several tools may be called in one turn."""
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    thinking: Thinking | None = None
    format: Format | None = None
    user: str | None = None
    """The client's own name for who is asking."""
    tuning: Mapping[str, Any] = MappingProxyType({})
    """What more than one dialect knows, but not each: `top_k`, `seed`, `n`, penalties, log probabilities."""
    needs: tuple[Native, ...] = ()
    """What is asked of the provider itself, such as a search of its own."""
    names: Mapping[str, str] = field(default=MappingProxyType({}), compare=False)
    """What the client's dialect calls a tool, where the form's name does not say it all: its calls go back so."""
    extra: Extra = NO_EXTRA


type Reason = Literal["stop", "stop_sequence", "length", "context", "tool_calls", "filter", "pause"]


@dataclass(frozen=True, slots=True)
class Reply:
    id: str | None
    parts: tuple[Part, ...]
    reason: Reason
    stop_sequence: str | None = None
    note: str | None = None
    """Why the provider declined, in its words, where that is not part of the answer itself."""
    usage: Usage = Usage()


# A reply in flight, always in this order:  Begin (PartStart (PartDelta | PartCite)* PartStop)* Finish
# A Fault may end it anywhere; who sends the events closes the part that is open first.


@dataclass(frozen=True, slots=True)
class Begin:
    id: str | None
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class PartStart:
    index: int
    part: Text | Refusal | Reasoning | ToolCall | Native
    """What is known at the start; text and arguments follow in pieces."""


@dataclass(frozen=True, slots=True)
class PartDelta:
    index: int
    text: str
    odds: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class PartCite:
    index: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class PartStop:
    index: int
    signature: str | None = None
    origin: str | None = None
    """Whose signature it is."""


@dataclass(frozen=True, slots=True)
class Finish:
    reason: Reason
    stop_sequence: str | None = None
    note: str | None = None
    usage: Usage = Usage()


type Event = Begin | PartStart | PartDelta | PartCite | PartStop | Finish
