"""Cooldowns and circuit breakers of models, accounts and providers. Clock and random numbers are arguments.

A failure puts its scope into cooldown, each time for longer; a success ends that, if its attempt began after the
failure. Failures of concurrent attempts count as one, so that a burst does not disable an account for hours.
Times are seconds of the epoch, so that they survive a restart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import Literal

from omniroute.catalog.provider import Provider
from omniroute.config.model import Account
from omniroute.config.resilience_profiles import ResilienceProfile
from omniroute.routing.failures import Cause, Judgement

type Key = tuple[str, str, str]
"""(scope, id of the account or provider, model where the scope is one)."""
type BreakerState = Literal["CLOSED", "OPEN", "HALF_OPEN"]

LONGEST_HINT = 31 * 86400.0


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A cooldown: do not try its scope before `until`."""

    until: float
    started_at: float
    """Time of the last failure that started or confirmed it."""
    level: int
    """Number of failures since the last success; a burst counts once."""
    cause: Cause
    reason: str
    provider_named: bool = False
    """Whether the provider itself gave the time, as in Retry-After."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit breaker: the number of failures in a row, and when it opened."""

    failures: int = 0
    opened: float | None = None
    recovery: float = 0.0
    failed: float = field(default=0.0, compare=False)
    """Time of the last counted failure. Not stored, as no attempt outlives a restart."""

    def state(self, now: float) -> BreakerState:
        if self.opened is None:
            return "CLOSED"
        return "OPEN" if now < self.opened + self.recovery else "HALF_OPEN"

    @property
    def until(self) -> float:
        return (self.opened or 0.0) + self.recovery


CLOSED = Breaker()


def with_cooldown(
    before: Cooldown | None,
    judgement: Judgement,
    profile: ResilienceProfile,
    *,
    began: float,
    now: float,
    dice: float,
    hint: float | None = None,
    why: str = "",
) -> Cooldown:
    """Return the cooldown after a failure of an attempt that began at `began`.

    `hint` is the provider's Retry-After in seconds; `dice` is a random number from 0 to 1. A time that the provider
    gave is never shortened, neither by a later one nor by a computed one.
    """
    burst = before is not None and began < before.started_at
    level = before.level if before and burst else (before.level if before else 0) + 1
    if hint is not None and hint > 0:
        until = now + min(hint, LONGEST_HINT)
        if before and (burst or before.provider_named):
            until = max(until, before.until)
        return Cooldown(until, now, level, judgement.cause, why, provider_named=True)
    if before and burst:
        return before
    base = {"rate": profile.rate, "quota": profile.quota, "auth": profile.auth}.get(judgement.cause, profile.base)
    seconds = min(base * profile.factor ** min(level - 1, 64), max(profile.most, base))
    until = now + seconds * (1 - profile.jitter * dice)
    if before and before.provider_named and before.until > now:
        return replace(before, level=level, started_at=now)  # a computed time would hide which part the provider gave
    return Cooldown(until, now, level, judgement.cause, why)


def with_failure(before: Breaker, profile: ResilienceProfile, *, began: float, now: float) -> Breaker:
    """Return the breaker after a failure that counts."""
    if before.opened is not None and began < before.opened:
        return before  # it was in flight when the breaker opened
    failures = before.failures + 1
    if before.state(now) == "HALF_OPEN" or failures >= profile.failures:
        return Breaker(failures, now, profile.recovery, now)
    return Breaker(failures, before.opened, before.recovery, now)


def outlasts(cooling: Cooldown, *, began: float) -> bool:
    """Return whether a cooldown remains after a success of an attempt that began at `began`."""
    return began < cooling.started_at


def recovered(before: Breaker, *, began: float) -> Breaker:
    """Return the breaker after a success of an attempt that began at `began`.

    An attempt that began before the last failure proves nothing about the time after it: an open breaker stays as it
    is, and a closed one loses one counted failure. Under load most successes are such; without that reduction, a few
    failures among many successes would open it.
    """
    if began >= before.failed:
        return CLOSED
    if before.opened is not None:
        return before
    return replace(before, failures=before.failures - 1) if before.failures > 1 else CLOSED


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All cooldowns and breakers, as they are saved and displayed."""

    cooling: Mapping[Key, Cooldown]
    breakers: Mapping[tuple[str, str], Breaker]
    """(scope, id) -> breaker; the scope is `account` or `provider`."""


MOST = 10_000
"""Maximum number of cooldowns to keep."""
FORGOTTEN = 3600.0
"""Seconds after its end when a cooldown is dropped, with its level."""

type BreakerKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CooldownInfo:
    """Why a target is not tried while others are available."""

    until: float
    reason: str
    cause: Cause
    not_before: float | None = None
    """The time that the provider gave, at most `until`: a request before it is useless."""


@dataclass(frozen=True, slots=True)
class HealthKey:
    """The ids of the account, provider and model of a target."""

    account: str
    provider: str
    model: str
    custom_url: bool = False
    """Whether the account has its own base URL: if that is unreachable, it says nothing about the provider."""

    def key(self, scope: str) -> Key:
        if scope == "provider" and not self.custom_url:
            return ("provider", self.provider, "")
        return ("model", self.account, self.model) if scope == "model" else ("account", self.account, "")

    @property
    def breakers(self) -> tuple[BreakerKey, ...]:
        ours = ("account", self.account)
        return (ours,) if self.custom_url else (ours, ("provider", self.provider))


@dataclass(frozen=True, slots=True)
class HealthChanges:
    """Changes to save; None as a value means removed."""

    cooling: Mapping[Key, Cooldown | None]
    breakers: Mapping[BreakerKey, Breaker | None]


class Health:
    """All cooldowns and circuit breakers, updated by the outcomes of attempts."""

    def __init__(self, saved: Snapshot | None = None) -> None:
        self._cooling: dict[Key, Cooldown] = dict(saved.cooling) if saved else {}
        self._breakers: dict[BreakerKey, Breaker] = dict(saved.breakers) if saved else {}
        self._probes: dict[BreakerKey, str] = {}
        self._recovered: dict[BreakerKey, float] = {}
        """Breaker -> start of the attempt that closed it last by its success."""
        self.revision = 0
        """Counts what may change a plan: failures, and cooldowns and breakers that were cleared."""
        self._changed: set[Key] = set()
        self._changed_breakers: set[BreakerKey] = set()

    @property
    def all_healthy(self) -> bool:
        """Whether there is no cooldown and no counted failure at all."""
        return not self._cooling and not self._breakers

    def cooldown(self, whom: HealthKey, now: float) -> CooldownInfo | None:
        """Return why a target should not be tried now, the longest of several reasons; None if it may."""
        found = [
            CooldownInfo(
                cooling.until,
                f"cooling down after {cooling.reason}",
                cooling.cause,
                cooling.until if cooling.provider_named else None,
            )
            for scope in ("model", "account", "provider")
            if self._cooling and (cooling := self._cooling.get(whom.key(scope))) and cooling.until > now
        ]
        if self._breakers:
            found += [rest for key in whom.breakers if (rest := self._broken(key, now))]
        if len(found) < 2:
            return found[0] if found else None
        longest = max(found, key=lambda rest: rest.until)
        named = max((rest.not_before for rest in found if rest.not_before is not None), default=None)
        return replace(longest, not_before=named)

    def ready(self, whom: HealthKey, now: float) -> bool:
        """Return whether a target has no cooldown and only closed breakers."""
        if self.all_healthy:
            return True
        closed = all(self._breakers.get(key, CLOSED).opened is None for key in whom.breakers)
        return closed and self.cooldown(whom, now) is None

    def _broken(self, key: BreakerKey, now: float) -> CooldownInfo | None:
        breaker = self._breakers.get(key, CLOSED)
        state = breaker.state(now)
        if state == "CLOSED" or (state == "HALF_OPEN" and key not in self._probes):
            return None
        what = f"{key[0]}'s breaker is open" if state == "OPEN" else f"{key[0]}'s breaker is half open, and being tried"
        return CooldownInfo(max(breaker.until, now), f"the {what}, after {breaker.failures} failures", "server")

    def attempt_started(self, exchange: str, whom: HealthKey, now: float) -> None:
        """Record the start of an attempt: the first one at a half-open breaker is its probe."""
        for key in whom.breakers if self._breakers else ():
            if self._breakers.get(key, CLOSED).state(now) == "HALF_OPEN":
                self._probes.setdefault(key, exchange)

    def attempt_succeeded(self, exchange: str, whom: HealthKey, *, began: float) -> None:
        """Record a success of an attempt that began at `began`: it clears all earlier failures."""
        self.attempt_abandoned(exchange, whom)
        if self.all_healthy:
            return
        for scope in ("model", "account", "provider"):
            cooling = self._cooling.get(key := whom.key(scope))
            if cooling and not outlasts(cooling, began=began):
                del self._cooling[key]
                self._changed.add(key)
                self.revision += 1
        for place in whom.breakers:
            if breaker := self._breakers.get(place):
                self._recover(place, breaker, began)

    def _recover(self, place: BreakerKey, before: Breaker, began: float) -> None:
        after = recovered(before, began=began)
        if after is before:
            return
        self._changed_breakers.add(place)
        self.revision += 1
        if after is not CLOSED:
            self._breakers[place] = after
            return
        del self._breakers[place]
        if before.opened is not None:
            self._recovered[place] = began

    def attempt_abandoned(self, exchange: str, whom: HealthKey) -> None:
        """Record an end that says nothing about health; if it was a breaker's probe, another may follow."""
        for key in whom.breakers if self._probes else ():
            if self._probes.get(key) == exchange:
                del self._probes[key]

    def attempt_failed(
        self,
        exchange: str,
        whom: HealthKey,
        judgement: Judgement,
        profile: ResilienceProfile,
        *,
        began: float,
        now: float,
        dice: float,
        hint: float | None,
        why: str,
    ) -> None:
        """Record a failure of an attempt that began at `began`, in seconds of the epoch."""
        self.revision += 1
        if judgement.cools:
            key = whom.key(judgement.cools)
            self._cooling[key] = with_cooldown(
                self._cooling.get(key), judgement, profile, began=began, now=now, dice=dice, hint=hint, why=why
            )
            self._changed.add(key)
            if len(self._cooling) > MOST:
                self.discard(now)
        for breaker in whom.breakers if judgement.trips else ():
            if began < self._recovered.get(breaker, began):
                continue  # it was in flight while the breaker was open, and says nothing about the time since
            self._breakers[breaker] = with_failure(self._breakers.get(breaker, CLOSED), profile, began=began, now=now)
            self._changed_breakers.add(breaker)
        self.attempt_abandoned(exchange, whom)

    def snapshot(self) -> Snapshot:
        return Snapshot(dict(self._cooling), dict(self._breakers))

    def reset(self, ids: Iterable[str] | None = None) -> None:
        """Clear the cooldowns and breakers of some accounts or providers; None clears all."""
        self.revision += 1
        chosen = None if ids is None else set(ids)
        for key in [key for key in self._cooling if chosen is None or key[1] in chosen]:
            del self._cooling[key]
            self._changed.add(key)
        for breaker in [key for key in self._breakers if chosen is None or key[1] in chosen]:
            del self._breakers[breaker]
            self._changed_breakers.add(breaker)
        for breaker in [key for key in self._recovered if chosen is None or key[1] in chosen]:
            del self._recovered[breaker]

    def clear(self, keys: Iterable[Key]) -> int:
        """Clear some cooldowns; return how many of them there were."""
        self.revision += 1
        there = [key for key in keys if self._cooling.pop(key, None)]
        self._changed.update(there)
        return len(there)

    def discard(self, now: float) -> None:
        """Drop cooldowns that ended long ago, and, beyond the maximum number, those that end soonest.

        The number needs a bound, as clients may request any number of nonexistent models.
        """
        over = [key for key, cooling in self._cooling.items() if cooling.until + FORGOTTEN < now]
        if (many := len(self._cooling) - len(over) - MOST) > 0:
            left = self._cooling.keys() - over
            over += nsmallest(many + MOST // 10, left, key=lambda key: self._cooling[key].until)
        for key in over:
            del self._cooling[key]
            self._changed.add(key)
        for breaker in [key for key, began in self._recovered.items() if began + FORGOTTEN < now]:
            del self._recovered[breaker]

    def changes(self) -> HealthChanges | None:
        """Return and clear the changes since the last call; None when there are none."""
        if not self._changed and not self._changed_breakers:
            return None
        found = HealthChanges(
            {key: self._cooling.get(key) for key in self._changed},
            {key: self._breakers.get(key) for key in self._changed_breakers},
        )
        self._changed.clear()
        self._changed_breakers.clear()
        return found


def health_key(provider: Provider, account: Account, model: str) -> HealthKey:
    """Return the health key of a target."""
    return HealthKey(account.id, provider.id, model, account.base_url is not None)
