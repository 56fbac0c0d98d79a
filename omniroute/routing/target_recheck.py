"""Check targets that are yet to be tried against the cool-downs that were set since their plan was made.

A plan is as old as its request: while that waits in a queue, or for an answer of an earlier target, others fail.
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
    """Give the targets in the order to be tried from now on, and those that are left out with the reason.

    As in a new plan: a cooling target comes last, and not at all when its provider has named a time that is over
    `patience` seconds away. `repeats` says that the first one is tried again on purpose: then only a named time counts.
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
    """Say why a target is not tried, and when it may be: the later of the times that hold it back."""
    why = f"{rest.reason}, for {rest.until - now:,.0f} s more"
    return ExcludedTarget(target.name, target.account.name, why, rest.until, limited=rest.cause in ("rate", "quota"))
