"""How a combo asks its targets: how often, with which pause between."""

from omniroute.routing.causes import cause
from omniroute.routing.config import Combo
from omniroute.routing.failure import Failure
from omniroute.routing.rules import Rules

MAY_PASS = frozenset({"rate", "overload", "server", "network", "timeout"})
"""Causes that may be gone when the same target is asked once more."""
NOT_AGAIN = frozenset({"deadline", "tls"})
"""Kinds that are no better the second time: the client has waited long enough, and a certificate stays as it is."""


def again_after(failure: Failure, combo: Combo | None, rules: Rules, repeats: int) -> float | None:
    """Say after how many seconds the same target is asked again; None goes on to the next one.

    `repeats` is how often it has been asked again already. A target that says itself for how long it is of no
    use is not asked before that.
    """
    if combo is None:
        return None
    retries = rules.combo.retries if combo.tries.retries is None else combo.tries.retries
    pause = rules.combo.retry_delay if combo.tries.retry_delay is None else combo.tries.retry_delay
    if repeats >= retries or (failure.retry_after or 0.0) > pause:
        return None
    return pause if failure.kind not in NOT_AGAIN and cause(failure) in MAY_PASS else None
