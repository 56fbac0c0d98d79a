"""The data model of providers and models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

type DialectName = Literal["openai", "responses", "claude", "gemini"]
type Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "none"]


@dataclass(frozen=True, slots=True)
class Model:
    """Facts about a model; None is unknown."""

    id: str
    name: str | None = None
    context: int | None = None
    """Context window in tokens."""
    max_output: int | None = None
    images: bool | None = None
    """Whether it accepts images."""
    tools: bool | None = None
    """Whether it supports tools."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """Deviations of a provider from its dialect. The defaults follow the dialect."""

    stream_usage: bool = True
    """Whether it supports OpenAI's `stream_options.include_usage`."""
    keeps_state: bool = False
    """Whether it stores its OpenAI Responses replies and resolves their ids, for weeks."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of models: a row of the catalog, or a node that the user added."""

    id: str
    prefix: str
    """The part before the slash in a model name; the id is accepted there too."""
    name: str
    base_url: str
    paths: Mapping[DialectName, str]
    """Dialect -> path below `base_url`, the provider's own dialect first; in Gemini's, `{model}` and `{verb}` are
    replaced. A dialect that is served at another base URL has a whole URL here."""
    auth: Auth = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers to add where the client did not send them."""
    models: tuple[Model, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Former names, or spellings of other providers -> the current name."""
    quirks: Quirks = field(default_factory=Quirks)
    node: bool = False
    """Whether the user added it; a node needs no account."""

    def max_output(self, model: str) -> int | None:
        """Return the maximum output tokens of a model, where that is known."""
        return next((row.max_output for row in self.models if row.id == model), None)
