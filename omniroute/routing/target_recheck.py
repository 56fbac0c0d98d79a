"""Check the remaining targets of a plan against cooldowns that began after it was made.

While a request waits in a queue or for an earlier target, other targets may fail.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from omniroute.routing.health import CooldownInfo
from omniroute.routing.target import ExcludedTarget, Target


def recheck(
    targets: Sequence[Target],
    resting: Callable[[Target], CooldownInfo | None],
    *,
    now: float,
    patience: float,
    repeats: bool = False,
) -> tuple[list[Target], list[tuple[Target, ExcludedTarget]]]:
    """Return the targets in their new order, and the excluded ones with the reason.

    As in a new plan: a target in cooldown comes last, and is excluded when its provider gave a time that is over
    `patience` seconds away. `repeats` marks a retry of the first target, which then only a provider's time moves back.
    """
    ready: list[Target] = []
    late: list[tuple[float, Target]] = []
    left: list[tuple[Target, ExcludedTarget]] = []
    for number, target in enumerate(targets):
        rest = resting(target)
        not_before = rest.not_before if rest else None
        if rest and not_before is not None and not_before - now > patience:
            left.append((target, left_out(target, rest, now)))
            continue
        if target.not_before != not_before:
            target = replace(target, not_before=not_before)
        if rest is None or (repeats and number == 0 and not_before is None):
            ready.append(target)
        else:
            late.append((rest.until, target))
    late.sort(key=lambda pair: pair[0])
    return [*ready, *(target for _, target in late)], left


def left_out(target: Target, rest: CooldownInfo, now: float) -> ExcludedTarget:
    """Describe why a target is excluded, and until when."""
    why = f"{rest.reason}, for {rest.until - now:,.0f} s more"
    return ExcludedTarget(target.name, target.account.name, why, rest.until, limited=rest.cause in ("rate", "quota"))
