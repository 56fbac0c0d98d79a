"""Who is cooling down, and which breakers are open. Values and functions of them: clock and dice are arguments.

A failure makes its scope cool down, each time longer; an answer ends that, if its attempt began after the failure.
Failures of exchanges that were under way together count as one: a burst must not black out an account for hours.
Times are seconds of the epoch, so that they outlive a restart.
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
    """What is not to be asked before `until`."""

    until: float
    started_at: float
    """When the last failure was that has set or confirmed it."""
    level: int
    """How often it has failed since it last answered; a burst counts once."""
    cause: Cause
    reason: str
    provider_named: bool = False
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
    """Give the cool-down after a failure of an exchange that began at `began`.

    `hint` is what the provider said of when to come back, in seconds; `dice` is a number from 0 to 1. A time that the
    provider has named is never shortened, neither by a later one nor by a guess.
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
        return replace(before, level=level, started_at=now)  # a guess would hide which part of the time was named
    return Cooldown(until, now, level, judgement.cause, why)


def with_failure(before: Breaker, profile: ResilienceProfile, *, began: float, now: float) -> Breaker:
    """Give the breaker after a failure that counts."""
    if before.opened is not None and began < before.opened:
        return before  # it was under way when the breaker opened
    failures = before.failures + 1
    if before.state(now) == "HALF_OPEN" or failures >= profile.failures:
        return Breaker(failures, now, profile.recovery, now)
    return Breaker(failures, before.opened, before.recovery, now)


def outlasts(cooling: Cooldown, *, began: float) -> bool:
    """Tell whether a cool-down stays after an answer of an attempt that began at `began`."""
    return began < cooling.started_at


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

    cooling: Mapping[Key, Cooldown]
    breakers: Mapping[tuple[str, str], Breaker]
    """(scope, id) -> its breaker; the scope is `account` or `provider`."""


MOST = 10_000
"""Cool-downs that are remembered."""
FORGOTTEN = 3600.0
"""Seconds after its end when a cool-down is forgotten with its level."""

type BreakerKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CooldownInfo:
    """Why a target is not asked while others can be."""

    until: float
    reason: str
    cause: Cause
    not_before: float | None = None
    """The time that the provider has named, at most `until`: before it, asking is of no use."""


@dataclass(frozen=True, slots=True)
class HealthKey:
    """Whom an attempt has asked, by ids."""

    account: str
    provider: str
    model: str
    custom_url: bool = False
    """The account is served at an address of its own: that it cannot be reached says nothing about the provider."""

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
    """What has to be saved; None is forgotten."""

    cooling: Mapping[Key, Cooldown | None]
    breakers: Mapping[BreakerKey, Breaker | None]


class Health:
    """Everything that cools down or has failed of late."""

    def __init__(self, saved: Snapshot | None = None) -> None:
        self._cooling: dict[Key, Cooldown] = dict(saved.cooling) if saved else {}
        self._breakers: dict[BreakerKey, Breaker] = dict(saved.breakers) if saved else {}
        self._probes: dict[BreakerKey, str] = {}
        self._recovered: dict[BreakerKey, float] = {}
        """When the attempt began whose answer has closed a breaker last that was open."""
        self.revision = 0
        """Counts what may change a plan: failures, and cool-downs and breakers that are taken back."""
        self._changed: set[Key] = set()
        self._changed_breakers: set[BreakerKey] = set()

    @property
    def all_healthy(self) -> bool:
        """Whether nothing at all is held against anybody."""
        return not self._cooling and not self._breakers

    def cooldown(self, whom: HealthKey, now: float) -> CooldownInfo | None:
        """Say why a target should not be asked now; of several reasons the one that lasts longest."""
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
        """Say whether nothing at all speaks against a target; half open is not enough."""
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
        """Note an exchange that is under way: the first at a half-open breaker is its probe."""
        for key in whom.breakers if self._breakers else ():
            if self._breakers.get(key, CLOSED).state(now) == "HALF_OPEN":
                self._probes.setdefault(key, exchange)

    def attempt_succeeded(self, exchange: str, whom: HealthKey, *, began: float) -> None:
        """Note an answer of an attempt that began at `began`: it makes up for every failure before that."""
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
        """Note an end that says nothing: a probe then is none."""
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
        """Note a failure of an attempt that began at `began`; seconds of the epoch."""
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
                continue  # it was under way when the breaker was open, and says nothing about the time since
            self._breakers[breaker] = with_failure(self._breakers.get(breaker, CLOSED), profile, began=began, now=now)
            self._changed_breakers.add(breaker)
        self.attempt_abandoned(exchange, whom)

    def snapshot(self) -> Snapshot:
        return Snapshot(dict(self._cooling), dict(self._breakers))

    def reset(self, ids: Iterable[str] | None = None) -> None:
        """Forget what is held against some accounts or providers; None forgets everything."""
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
        """Let some cool-downs be over, and give how many there were."""
        self.revision += 1
        there = [key for key in keys if self._cooling.pop(key, None)]
        self._changed.update(there)
        return len(there)

    def discard(self, now: float) -> None:
        """Forget cool-downs that have ended long ago; of too many also those that end soonest.

        A client may ask for as many models as it likes that do not exist.
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
        """Give what has changed since the last call; None when nothing has."""
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
    """Name whom an attempt asks."""
    return HealthKey(account.id, provider.id, model, account.base_url is not None)
