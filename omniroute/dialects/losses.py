"""A request in the upstream's dialect, and what got lost on the way there."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from omniroute.dialects.ir import Body, Extra, Native
from omniroute.dialects.validate import refuse


@dataclass(frozen=True, slots=True)
class WrittenRequest:
    body: Body
    dropped: tuple[str, ...] = ()
    """Names of what could not be said, each once, in the order of their finding; a writer gives the form's names."""
    names: Mapping[str, str] = MappingProxyType({})
    """Tools whose names had to change: the name that was sent -> the client's own."""


class Losses:
    """Takes the names of what cannot be said; each counts once."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self.inlined = 0
        """Schemas that were put in where others refer to them, over all tools of a request."""

    def add(self, name: str) -> None:
        self._names[name] = None

    def has(self, name: str) -> bool:
        return name in self._names

    def forget(self, name: str) -> None:
        """Take a name back: what it stands for has found another way to be said."""
        del self._names[name]

    def foreign(self, extra: Extra, own: str, where: str = "") -> dict[str, Any]:
        """Give what `extra` holds for the `own` dialect; the rest is lost."""
        for dialect, fields in extra.items():
            if dialect != own:
                for field in fields:
                    self.add(field if field == "cache_control" else where + field)
        return dict(extra.get(own, {}))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


API = {
    "openai": "Chat Completions",
    "responses": "OpenAI Responses",
    "claude": "Anthropic Messages",
    "gemini": "Gemini's API",
}


def write_native(native: Native, own: str) -> Body:
    """Write what is the own dialect's, and refuse what is another's, by its name."""
    if native.dialect != own:
        kind = native.body.get("type") or next(iter(native.body), "")
        where = f"{API[own]}, which the chosen model is served by"
        raise refuse(native.path, f"is {kind!r} of {API[native.dialect]}, which cannot be said in {where}")
    return dict(native.body)
