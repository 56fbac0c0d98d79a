"""What a provider is: facts, with the odd ones named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

type DialectName = Literal["openai", "responses", "claude", "gemini"]
type Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "none"]


@dataclass(frozen=True, slots=True)
class Model:
    """What is known about a model; None is unknown."""

    id: str
    name: str | None = None
    context: int | None = None
    """Tokens of context window."""
    max_output: int | None = None
    images: bool | None = None
    """Whether it takes pictures."""
    tools: bool | None = None
    """Whether it calls tools."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a provider does differently from its dialect. Every default is the dialect's own way."""

    stream_usage: bool = True
    """Takes OpenAI's `stream_options.include_usage`."""
    keeps_state: bool = False
    """Knows its own replies of OpenAI Responses by their ids, for weeks."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who serves models: a row of the catalog, or a node that the user added."""

    id: str
    prefix: str
    """What stands before the slash in a model name; the id is accepted there too."""
    name: str
    base_url: str
    paths: Mapping[DialectName, str]
    """Dialect -> path below `base_url`, the provider's own dialect first; in Gemini's, `{model}` and `{verb}` are
    filled in. A dialect that is served somewhere else has a whole URL here."""
    auth: Auth = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added where the client sent none of that name."""
    models: tuple[Model, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Names that the provider has given up, or that others write differently -> the name that it takes now."""
    quirks: Quirks = field(default_factory=Quirks)
    node: bool = False
    """Added by the user; needs no account."""

    def max_output(self, model: str) -> int | None:
        """Give the most tokens that an answer of the model may have, where that is known."""
        return next((row.max_output for row in self.models if row.id == model), None)
