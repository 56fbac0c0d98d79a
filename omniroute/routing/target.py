"""Who could serve a request, with the reason, and what could not."""

from dataclasses import dataclass

from omniroute.catalog.provider import DialectName, Provider
from omniroute.routing.config import Account, Combo


@dataclass(frozen=True, slots=True)
class Way:
    """What led to a model."""

    place: str
    """What was asked for, a place in a combo, a step of a chain."""
    combo: Combo | None = None
    """The combo that lists the model, whose tries and deadlines count."""
    path: tuple[tuple[str, str], ...] = ()
    """(combo, what it lists), from the outermost in."""


@dataclass(frozen=True, slots=True)
class Target:
    """An account and a model that could serve the request, and the dialect in which they are asked."""

    account: Account
    provider: Provider
    model: str
    dialect: DialectName
    way: Way
    because: str
    """Why the account stands where it does among those of its provider."""
    translated: str = ""
    not_before: float | None = None
    """Seconds of the epoch: the provider has said that asking earlier is of no use."""

    @property
    def name(self) -> str:
        return f"{self.provider.prefix}/{self.model}"

    def is_named(self, asked: str) -> bool:
        """Tell whether a client that asks for this means the very model, and no alias, combo or fallback."""
        return self.model in (asked, asked.partition("/")[2])

    @property
    def why(self) -> str:
        return f"{self.way.place}, {self.because}{self.translated}"


def lone_target(account: Account, provider: Provider) -> Target:
    """Make a target of an account alone: asked by nobody's combo, for no model in particular."""
    return Target(account, provider, "-", next(iter(provider.paths)), Way("asked for by name"), "")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the name stands for too but cannot serve the request; `account` is a name, None for all accounts."""

    name: str
    account: str | None
    why: str
    until: float | None = None
    """When it may be asked again, where that is all that keeps it out; seconds of the epoch."""
    limited: bool = False
    """It is the provider's own limit that keeps it out until then."""
    unfit: bool = False
    """It could serve others, but asks more of the model than that can take."""
