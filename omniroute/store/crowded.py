"""Which accounts are at their limits now, as the running gateway has written it down."""

from collections.abc import Mapping

from omniroute.routing.config import Config
from omniroute.routing.limits import MINUTE
from omniroute.routing.target import Target
from omniroute.store.limits import Seen


def at_limits(config: Config, seen: Seen, now: float) -> dict[tuple[str, str | None], str]:
    """Say why accounts, or models of theirs, would be passed over: by account id, and model where it is one."""
    full: dict[tuple[str, str | None], str] = {}
    for account, limit in config.limits.items():
        use, at = seen.in_use.get(account, (None, 0.0))
        if use is None:
            continue
        if limit.concurrency is not None and use.in_flight >= limit.concurrency:
            full[account, None] = f"{use.in_flight} of {limit.concurrency} at once"
        elif limit.rpm is not None and at + MINUTE > now and use.minute >= limit.rpm:
            full[account, None] = f"{use.minute} of {limit.rpm} requests a minute"
    for (account, model), until in seen.learned.items():
        if until > now:
            full[account, model] = f"its provider allows no request for {until - now:,.1f} s"
    return full


def limited(target: Target, full: Mapping[tuple[str, str | None], str]) -> str | None:
    """Say why a target would be passed over now; None when it would not be."""
    return full.get((target.account.id, target.model)) or full.get((target.account.id, None))
