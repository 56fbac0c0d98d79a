"""What is done for some requests alone: their combo says so, else all combos, else all requests."""

from dataclasses import dataclass
from typing import Literal

from omniroute.routing.rules import Rules
from omniroute.routing.target import Target

type Switch = Literal["hedge", "resume"]


@dataclass(frozen=True, slots=True)
class Switched:
    """Whether something is done for a target, and who says so."""

    enabled: bool
    by: str


def switched(what: Switch, target: Target, rules: Rules) -> Switched:
    """Say whether a target gets another one beside it (`hedge`), or one that goes on with its answer (`resume`)."""
    if (combo := target.way.combo) is not None:
        own: bool | None = getattr(combo.tries, what)
        of_all: bool | None = getattr(rules.combo, what)
        if own is not None:
            return Switched(own, f"the combo {combo.name}")
        if of_all is not None:
            return Switched(of_all, "all combos")
    enabled = rules.hedge.enabled if what == "hedge" else rules.resume.enabled
    return Switched(enabled, "all")
