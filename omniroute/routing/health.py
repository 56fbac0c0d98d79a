"""Who is cooling down, and which breakers are open. Values and functions of them: clock and dice are arguments.

A failure makes its scope cool down, each time longer; an answer ends that, if its attempt began after the failure.
Failures of exchanges that were under way together count as one: a burst must not black out an account for hours.
Times are seconds of the epoch, so that they outlive a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from omniroute.routing.causes import Cause
from omniroute.routing.judge import Judgement
from omniroute.routing.profiles import Profile

type Key = tuple[str, str, str]
"""(scope, id of the account or provider, model where the scope is one)."""
type BreakerState = Literal["CLOSED", "OPEN", "HALF_OPEN"]

LONGEST_HINT = 31 * 86400.0


@dataclass(frozen=True, slots=True)
class Cooling:
    """What is not to be asked before `until`."""

    until: float
    since: float
    """When the last failure was that has set or confirmed it."""
    level: int
    """How often it has failed since it last answered; a burst counts once."""
    cause: Cause
    why: str
    told: bool = False
    """The provider itself has named the time."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """Failures in a row, and when they were enough."""

    failures: int = 0
    opened: float | None = None
    recovery: float = 0.0
    failed: float = field(default=0.0, compare=False)
    """When the last failure was counted. Not stored: no attempt outlives a restart."""

    def state(self, now: float) -> BreakerState:
        if self.opened is None:
            return "CLOSED"
        return "OPEN" if now < self.opened + self.recovery else "HALF_OPEN"

    @property
    def until(self) -> float:
        return (self.opened or 0.0) + self.recovery


CLOSED = Breaker()


def cooled(
    before: Cooling | None,
    judgement: Judgement,
    profile: Profile,
    *,
    began: float,
    now: float,
    dice: float,
    hint: float | None = None,
    why: str = "",
) -> Cooling:
    """Give the cool-down after a failure of an exchange that began at `began`.

    `hint` is what the provider said of when to come back, in seconds; `dice` is a number from 0 to 1. A time that the
    provider has named is never shortened, neither by a later one nor by a guess.
    """
    burst = before is not None and began < before.since
    level = before.level if before and burst else (before.level if before else 0) + 1
    if hint is not None and hint > 0:
        until = now + min(hint, LONGEST_HINT)
        if before and (burst or before.told):
            until = max(until, before.until)
        return Cooling(until, now, level, judgement.cause, why, told=True)
    if before and burst:
        return before
    base = {"rate": profile.rate, "quota": profile.quota, "auth": profile.auth}.get(judgement.cause, profile.base)
    seconds = min(base * profile.factor ** min(level - 1, 64), max(profile.most, base))
    until = now + seconds * (1 - profile.jitter * dice)
    if before and before.told and before.until > now:
        return replace(before, level=level, since=now)  # a guess would hide which part of the time was named
    return Cooling(until, now, level, judgement.cause, why)


def tripped(before: Breaker, profile: Profile, *, began: float, now: float) -> Breaker:
    """Give the breaker after a failure that counts."""
    if before.opened is not None and began < before.opened:
        return before  # it was under way when the breaker opened
    failures = before.failures + 1
    if before.state(now) == "HALF_OPEN" or failures >= profile.failures:
        return Breaker(failures, now, profile.recovery, now)
    return Breaker(failures, before.opened, before.recovery, now)


def outlasts(cooling: Cooling, *, began: float) -> bool:
    """Tell whether a cool-down stays after an answer of an attempt that began at `began`."""
    return began < cooling.since


def recovered(before: Breaker, *, began: float) -> Breaker:
    """Give the breaker after an answer of an attempt that began at `began`.

    An attempt that began before the last failure proves nothing about the time after it: an open breaker stays as it
    is, and of the failures that a closed one has counted only one is taken back. Under load most answers are such:
    without that, a few failures among many answers would open it.
    """
    if began >= before.failed:
        return CLOSED
    if before.opened is not None:
        return before
    return replace(before, failures=before.failures - 1) if before.failures > 1 else CLOSED


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The health of everything, as it is saved and shown."""

    cooling: Mapping[Key, Cooling]
    breakers: Mapping[tuple[str, str], Breaker]
    """(scope, id) -> its breaker; the scope is `account` or `provider`."""
