"""Text output of `route explain` about deadlines, hedging and resumption of a plan's targets."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from omniroute.config.deadlines import MAY_BE_NONE
from omniroute.config.settings import Settings
from omniroute.routing.attempt_policy import EffectiveTimeout, feature_flag
from omniroute.routing.target import Target

type Patience = Mapping[str, EffectiveTimeout]


def lines(found: Sequence[Patience]) -> list[str]:
    """Format the deadlines of targets in plan order, on one line for consecutive targets with the same deadlines."""
    out, first = [], 1
    for said, same in groupby(found):
        last = first + len(list(same)) - 1
        whose = f"{first}" if first == last else f"{first} to {last}"
        out.append(f"Deadlines of {whose}: {', '.join(_one(phase, each) for phase, each in said.items())}")
        first = last + 1
    return out


def hedged(targets: Sequence[Target], rules: Settings) -> list[str]:
    """Name the targets that are hedged with the next account when slow; empty if there are none."""
    out = []
    for n, target in enumerate(targets, 1):
        hedging = feature_flag("hedge", target, rules)
        if hedging.enabled and any(other.account.id != target.account.id for other in targets[n:]):
            out.append(f"{n}" if hedging.by == "all" else f"{n} ({hedging.by})")
    late = f"later than 95 of 100 of its answers, and than {rules.hedge.least:g} s"
    return [f"The next account is asked too when one of these is {late}: {', '.join(out)}"] if out else []


def resumed(targets: Sequence[Target], rules: Settings) -> list[str]:
    """Name the targets after which the next one resumes an interrupted stream; empty if there are none."""
    out = []
    for n, target in enumerate(targets[:-1], 1):
        resume = feature_flag("resume", target, rules)
        if resume.enabled:
            out.append(f"{n}" if resume.by == "all" else f"{n} ({resume.by})")
    return [f"The next goes on with a streamed text that one of these has broken off: {', '.join(out)}"] if out else []


def _one(phase: str, said: EffectiveTimeout) -> str:
    why = [said.by] if said.by != "all" else []
    why += ["it thinks"] if said.thinking else []
    name = phase.replace("_", " ")
    text = f"no {name}" if phase in MAY_BE_NONE and not said.seconds else f"{name} {said.seconds:g} s"
    return f"{text} ({', '.join(why)})" if why else text
