"""How long each target of a plan is waited for, as `route explain` says it."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from omniroute.routing.deadlines import MAY_BE_NONE
from omniroute.routing.patience import Said

type Patience = Mapping[str, Said]


def lines(found: Sequence[Patience]) -> list[str]:
    """Say the deadlines of targets in their order: once for those in a row that have the same."""
    out, first = [], 1
    for said, same in groupby(found):
        last = first + len(list(same)) - 1
        whose = f"{first}" if first == last else f"{first} to {last}"
        out.append(f"Deadlines of {whose}: {', '.join(_one(phase, each) for phase, each in said.items())}")
        first = last + 1
    return out


def _one(phase: str, said: Said) -> str:
    why = [said.by] if said.by != "all" else []
    why += ["it thinks"] if said.thinking else []
    name = phase.replace("_", " ")
    text = f"no {name}" if phase in MAY_BE_NONE and not said.seconds else f"{name} {said.seconds:g} s"
    return f"{text} ({', '.join(why)})" if why else text
