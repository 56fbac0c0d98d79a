"""Lockouts: slow down and lock out sources that present too many wrong keys or passwords.

Failures are counted per kind and source. The first few have no effect; then each one adds a delay, doubled every time;
then the source is locked, for twice as long every time up to a limit. Attempts before the end of a delay are refused
unchecked and not counted, so a client that keeps trying is locked no longer than one that waits. Times are seconds of
the epoch, so that they survive a restart; the clock is an argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from omniroute.access.client_address import is_loopback

type Kind = Literal["key", "login"]

MAX_IDENTIFIERS = 10_000
"""Maximum number of identifiers to remember; those with the oldest last failure are evicted first."""
MAX_DELAY = 30.0
"""Maximum delay in seconds before a source is locked."""
DOUBLINGS = 32
"""Maximum exponent of the doubling: enough for any limit, and safe for a float."""


@dataclass(frozen=True, slots=True)
class LockoutSettings:
    """Thresholds and times for wrong keys and failed logins."""

    login_slow_after: int = 3
    """Failures from which each adds a delay; 0 never delays."""
    login_lock_after: int = 10
    """Failures from which the source is locked; 0 never locks."""
    key_slow_after: int = 10
    """As above, for keys. Keys cannot be guessed, but many clients keep retrying with an expired one."""
    key_lock_after: int = 20
    seconds: float = 60.0
    """Duration of the first lock; each further one is twice as long."""
    longest: float = 3600.0
    """Maximum duration of a lock in seconds."""
    forget: float = 900.0
    """Seconds without a failure, counted from the end of a delay, after which the count starts again."""


@dataclass(frozen=True, slots=True)
class Lockout:
    """The failures of one identifier, and their consequence."""

    failures: int
    at: float
    """Time of the last failure."""
    until: float = 0.0
    """Until then, attempts are refused unchecked."""
    locked: bool = False
    """Whether it is locked, rather than delayed."""


def identifier(kind: Kind, source: str) -> str:
    """Return the identifier that failures are counted for, as `policy list` shows it and `policy unlock` takes it."""
    return f"{kind}:{source}"


def after_failure(before: Lockout | None, kind: Kind, rules: LockoutSettings, now: float) -> Lockout:
    """Return the lockout of an identifier after one more failure."""
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
    """Failures and lockouts of all identifiers.

    Where checking an attempt takes time, count it as failed first and clear it on success. Otherwise many parallel
    attempts would all pass before the first one is known to fail.
    """

    def __init__(self, saved: Mapping[str, Lockout] | None = None) -> None:
        self._held: dict[str, Lockout] = {}
        """Identifier -> lockout, the oldest last failure first."""
        self._changed: set[str] = set()
        for name, each in sorted((saved or {}).items(), key=lambda item: item[1].at)[-MAX_IDENTIFIERS:]:
            self._held[name] = each

    def wait(self, kind: Kind, source: str, now: float) -> float:
        """Return for how many seconds attempts of a source are refused; 0 when they are checked."""
        if not self._held or (held := self._held.get(identifier(kind, source))) is None:
            return 0.0
        return max(0.0, held.until - now) if held.at <= now else 0.0  # the clock may have been set back

    def failed(self, kind: Kind, source: str, rules: LockoutSettings, now: float) -> Lockout:
        """Count a failure, and return the source's lockout."""
        name = identifier(kind, source)
        made = after_failure(self._held.pop(name, None), kind, rules, now)
        if len(self._held) >= MAX_IDENTIFIERS:
            oldest = next(iter(self._held))
            del self._held[oldest]
            self._changed.add(oldest)
        self._held[name] = made
        if made.until > now:  # others may be lost, so that a distributed flood does not fill the disk
            self._changed.add(name)
        return made

    def cleared(self, kind: Kind, source: str) -> None:
        """Clear the failures of a source after a success."""
        self.unlock((identifier(kind, source),))

    def unlock(self, names: Iterable[str]) -> None:
        """Clear some identifiers; `*` means all."""
        for name in list(names):
            found = list(self._held) if name == "*" else [name] if name in self._held else []
            for each in found:
                del self._held[each]
                self._changed.add(each)

    def forget(self, rules: LockoutSettings, now: float) -> None:
        """Drop identifiers with an expired count."""
        over = [name for name, each in self._held.items() if max(each.at, each.until) + rules.forget <= now]
        self.unlock(over)

    def changes(self) -> dict[str, Lockout | None]:
        """Return and clear the changes to save since the last call; None as a value means removed."""
        changed, self._changed = self._changed, set()
        return {name: self._held.get(name) for name in changed}

    def locked(self, now: float) -> dict[str, Lockout]:
        """Return the identifiers that are refused now."""
        return {name: each for name, each in self._held.items() if each.until > now}


def describe(kind: Kind, source: str, seconds: float) -> str:
    """Return the error message for a refused source, which is the same for right and wrong credentials."""
    what = "keys" if kind == "key" else "log-ins"
    here = " on this machine" if is_loopback(source) else ""
    return (
        f"too many wrong {what} came from {source}{here}: try again in {max(1, round(seconds))} s, or have it unlocked "
        f"with `omniroute-ctl policy unlock {identifier(kind, source)}`"
    )
