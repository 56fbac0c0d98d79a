"""Who has shown too many wrong keys or passwords, and for how long nothing is looked at that comes from there.

Tries are counted for each kind and source. The first few cost nothing; then each makes the next one wait, twice as long
every time; then the source is locked, twice as long every time up to a limit. What comes before the wait is over is
refused unseen and not counted, so a client that asks on and on is locked no longer than one that waits. Times are
seconds of the epoch, so that they outlive a restart. No clock of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from omniroute.access.client_address import is_loopback

type Kind = Literal["key", "login"]

MAX_IDENTIFIERS = 10_000
"""Identifiers that are remembered; the one that has failed the longest ago goes first."""
MAX_DELAY = 30.0
"""Seconds that a source waits at most before it is locked."""
DOUBLINGS = 32
"""Enough for any limit, and small enough for a float."""


@dataclass(frozen=True, slots=True)
class LockoutSettings:
    """When wrong keys and wrong log-ins are slowed, and when they are locked."""

    login_slow_after: int = 3
    """Wrong tries after which each has to wait; 0 never slows."""
    login_lock_after: int = 10
    """Wrong tries that lock; 0 never locks."""
    key_slow_after: int = 10
    """The same for keys. Nobody guesses one, but many clients ask on with one that is over."""
    key_lock_after: int = 20
    seconds: float = 60.0
    """The first lock. Each further one is twice as long."""
    longest: float = 3600.0
    """The longest lock."""
    forget: float = 900.0
    """Seconds without a wrong try, counted from the end of a wait, after which a source begins anew."""


@dataclass(frozen=True, slots=True)
class Lockout:
    """What is held against one identifier."""

    failures: int
    at: float
    """When it failed last."""
    until: float = 0.0
    """Before this it is refused unseen."""
    locked: bool = False
    """It is locked, and not only slowed."""


def identifier(kind: Kind, source: str) -> str:
    """Name what is counted, as `policy list` shows it and `policy unlock` takes it."""
    return f"{kind}:{source}"


def after_failure(before: Lockout | None, kind: Kind, rules: LockoutSettings, now: float) -> Lockout:
    """Give what is held against an identifier after a further wrong try."""
    slow_after, lock_after = rules.key_slow_after, rules.key_lock_after
    if kind == "login":
        slow_after, lock_after = rules.login_slow_after, rules.login_lock_after
    if before and max(before.at, before.until) + rules.forget <= now:
        before = None
    failures = (before.failures if before else 0) + 1
    if lock_after and failures >= lock_after:
        seconds = min(rules.seconds * 2.0 ** min(failures - lock_after, DOUBLINGS), rules.longest)
        return Lockout(failures, now, now + seconds, locked=True)
    if slow_after and failures >= slow_after:
        return Lockout(failures, now, now + min(2.0 ** min(failures - slow_after, DOUBLINGS), MAX_DELAY))
    return Lockout(failures, now)


class Lockouts:
    """All identifiers.

    Where looking at a try takes time, count it as wrong first, and clear it when it was right: else many tries at
    once would all be let through before the first is found wrong.
    """

    def __init__(self, saved: Mapping[str, Lockout] | None = None) -> None:
        self._held: dict[str, Lockout] = {}
        """The one that failed the longest ago is the first."""
        self._changed: set[str] = set()
        for name, each in sorted((saved or {}).items(), key=lambda item: item[1].at)[-MAX_IDENTIFIERS:]:
            self._held[name] = each

    def wait(self, kind: Kind, source: str, now: float) -> float:
        """Say how many seconds nothing is looked at that comes from there; 0 when a try is looked at."""
        if not self._held or (held := self._held.get(identifier(kind, source))) is None:
            return 0.0
        return max(0.0, held.until - now) if held.at <= now else 0.0  # a clock that was set back locks nobody

    def failed(self, kind: Kind, source: str, rules: LockoutSettings, now: float) -> Lockout:
        """Count a wrong try, and give what is held against its source from now on."""
        name = identifier(kind, source)
        made = after_failure(self._held.pop(name, None), kind, rules, now)
        if len(self._held) >= MAX_IDENTIFIERS:
            oldest = next(iter(self._held))
            del self._held[oldest]
            self._changed.add(oldest)
        self._held[name] = made
        if made.until > now:  # what has no consequence yet may be lost: a flood from everywhere fills no disk
            self._changed.add(name)
        return made

    def cleared(self, kind: Kind, source: str) -> None:
        """Forget wrong log-ins from where a right one came."""
        self.unlock((identifier(kind, source),))

    def unlock(self, names: Iterable[str]) -> None:
        """Forget what is held against some identifiers; `*` is all of them."""
        for name in list(names):
            found = list(self._held) if name == "*" else [name] if name in self._held else []
            for each in found:
                del self._held[each]
                self._changed.add(each)

    def forget(self, rules: LockoutSettings, now: float) -> None:
        """Let go of whoever would begin anew anyway."""
        over = [name for name, each in self._held.items() if max(each.at, each.until) + rules.forget <= now]
        self.unlock(over)

    def changes(self) -> dict[str, Lockout | None]:
        """Give what has to be saved since the last call; None is forgotten."""
        changed, self._changed = self._changed, set()
        return {name: self._held.get(name) for name in changed}

    def locked(self, now: float) -> dict[str, Lockout]:
        """Give who is refused unseen now."""
        return {name: each for name, each in self._held.items() if each.until > now}


def describe(kind: Kind, source: str, seconds: float) -> str:
    """Say to whoever is refused what to do; the same to all, whatever they have shown."""
    what = "keys" if kind == "key" else "log-ins"
    here = " on this machine" if is_loopback(source) else ""
    return (
        f"too many wrong {what} came from {source}{here}: try again in {max(1, round(seconds))} s, or have it unlocked "
        f"with `omniroute-ctl policy unlock {identifier(kind, source)}`"
    )
