"""Authentication of clients: gateway keys, their scopes and limits, and lockouts of sources that guess."""

import hmac
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from omniroute.access.client_address import ClientAddress, is_loopback, read_address, source_of
from omniroute.access.lockouts import Kind, Lockouts, describe
from omniroute.config.model import Config, Key, Scope
from omniroute.errors import Forbidden, NotAllowed, RateLimited
from omniroute.routing.rate_limits import MINUTE, InFlight, RateLimits

log = logging.getLogger(__name__)

REMEMBERED_KEYS = 10_000
"""Number of (source, key) pairs to remember as familiar."""
USE_INTERVAL = 60.0
"""Seconds between two records of the last use of one key."""

type KeyUse = tuple[float, str]
"""When a key was last used (seconds of the epoch), and from which source."""


class Authenticator:
    """Check gateway keys, their rate limits and the lockouts. The clocks are arguments, so that tests can set them."""

    def __init__(self, *, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.lockouts = Lockouts()
        self.changed: Callable[[], None] = lambda: None
        """Called when there is new state to be saved."""
        self._clock, self._wall = clock, wall
        self._limits = RateLimits(InFlight())
        self._familiar: dict[tuple[str, str], None] = {}
        self._noted: dict[str, float] = {}
        self._uses: dict[str, KeyUse] = {}
        self._begun: deque[tuple[str, float]] = deque()
        """Counted exchanges that are not saved yet: the key's id, and the start on the monotonic clock."""

    def restore(self, lockouts: Lockouts, uses: Mapping[str, KeyUse], config: Config) -> None:
        """Take over saved lockouts and key uses, and the key limits of the configuration."""
        self.lockouts = lockouts
        for key, (at, source) in sorted(uses.items(), key=lambda item: item[1]):
            self._noted[key] = at
            self._seen(source, key)
        self._limits.set = config.key_limits

    def keep(self, config: Config, before: Config) -> None:
        """Apply the key limits of a new configuration, and the unlocks that another process has requested."""
        self._limits.set = config.key_limits
        self._limits.keep(set(config.key_limits))
        if new := config.rules.unlocks - before.rules.unlocks:
            self.lockouts.unlock(name for _, name in new)
            self.changed()

    def key(
        self,
        shown: Sequence[str],
        who: ClientAddress,
        config: Config,
        digest: Callable[[str], bytes],
        scope: Scope = "inference",
    ) -> Key:
        """Find the key with scope `scope` among the presented ones.

        Raises NotAllowed for a key that is unknown, revoked or expired, Forbidden for one that lacks the scope or may
        not be used from this address, and RateLimited for a source that is locked out after too many unknown keys. A
        locked source gets the same error for every key, so that further guesses reveal nothing. Only a key that has
        been used from this source before goes on working, so that a guessing client cannot lock out others behind the
        same address. On a loopback address every valid key works, as one misconfigured client must not block all the
        others.
        """
        source = source_of(who.address)
        key = _find(shown, config, digest)
        seconds = self.lockouts.wait("key", source, self._wall())
        if seconds and not (key and (is_loopback(source) or (source, key.id) in self._familiar)):
            raise RateLimited(describe("key", source, seconds), retry_after=seconds)
        if key is None:
            self._failed("key", source, config)
            raise NotAllowed(
                "this key is not known here: `omniroute-ctl key list` shows the keys that are", code="invalid_api_key"
            )
        now = self._wall()
        _check(key, who, scope, now)
        self._seen(source, key.id)
        if now - self._noted.get(key.id, 0.0) >= USE_INTERVAL:
            self._noted[key.id] = now
            self._uses[key.id] = now, source
            self.changed()
        return key

    def named(self, id: str, who: ClientAddress, config: Config) -> Key:
        """Find a key by id, for a request that an administrator sends under it; raises as `key` does."""
        key = next((each for each in (*config.keys, *config.revoked) if each.id == id), None)
        if key is None:
            raise NotAllowed("there is no such key", code="invalid_api_key")
        _check(key, who, "inference", self._wall())
        return key

    def acquire(self, key: Key) -> None:
        """Count the start of an exchange, until `release`. Raises RateLimited for a key that is at its limits."""
        now = self._clock()
        if wait := self._limits.wait(key.id, now):
            said = wait.why.removeprefix("it ")
            raise RateLimited(f"the key {key.name!r} {said}", retry_after=wait.seconds or 1.0)
        self._limits.begin(key.id, now)
        if self.counts(key):
            self._begun.append((key.id, now))
            while self._begun[0][1] + MINUTE <= now:  # nothing takes these at the moment
                self._begun.popleft()
            self.changed()

    def counts(self, key: Key | None) -> bool:
        """Return whether the starts of exchanges of a key are counted by a limit."""
        return key is not None and self._limits.counts(key.id)

    def begun(self) -> list[tuple[str, float]]:
        """Return and clear what is to be saved: (key id, seconds since the start) of each counted exchange."""
        begun, self._begun = self._begun, deque()
        return [(key, self._clock() - at) for key, at in begun]

    def take_up_begun(self, begun: Mapping[str, Sequence[float]]) -> None:
        """Restore the starts of exchanges per key id, given as seconds of the epoch, oldest first."""
        passed = self._clock() - self._wall()
        for key, times in begun.items():
            self._limits.take_up(key, [at + passed for at in times])

    def release(self, key: Key) -> None:
        """Count the end of an exchange."""
        self._limits.end(key.id)

    def in_use(self, key: str) -> tuple[int, int]:
        """Return the exchanges of a key in flight, and, where a limit counts them, those started in the last minute."""
        return self._limits.in_use(key, self._clock())

    def uses(self) -> dict[str, KeyUse]:
        """Return and clear the key uses to be saved, by key id."""
        uses, self._uses = self._uses, {}
        return uses

    def begin_login(self, address: str, config: Config) -> None:
        """Count a login attempt as failed before its password is verified; `logged_in` takes that back.

        Verifying takes time, and parallel attempts would otherwise all be verified. Raises RateLimited for a locked
        source, even with the right password, since a password can be guessed.
        """
        source = source_of(address)
        if seconds := self.lockouts.wait("login", source, self._wall()):
            raise RateLimited(describe("login", source, seconds), retry_after=seconds)
        self._failed("login", source, config)

    def logged_in(self, address: str) -> None:
        """Clear the failed login attempts of a source after a successful login."""
        self.lockouts.cleared("login", source_of(address))
        self.changed()

    def _seen(self, source: str, key: str) -> None:
        self._familiar.pop((source, key), None)
        self._familiar[source, key] = None
        if len(self._familiar) > REMEMBERED_KEYS:
            del self._familiar[next(iter(self._familiar))]

    def _failed(self, kind: Kind, source: str, config: Config) -> None:
        held = self.lockouts.failed(kind, source, config.rules.lockout, self._wall())
        if held.until > held.at:
            self.changed()
        if held.locked:
            log.warning("%s:%s is locked for %.0f s: %d wrong ones", kind, source, held.until - held.at, held.failures)


def _find(shown: Sequence[str], config: Config, digest: Callable[[str], bytes]) -> Key | None:
    """Find a key by its keyed digest. The digest depends on a secret, so lookup timing reveals nothing about a key."""
    found = None
    for text in shown:
        made = digest(text)
        key = config.keys_by_digest.get(made)
        if key and hmac.compare_digest(key.digest, made) and (found is None or found.revoked_at is not None):
            found = key
    return found


def _check(key: Key, who: ClientAddress, scope: Scope, now: float) -> None:
    """Raise the specific reason why a key may not be used. Only a client that holds the whole key gets this far."""
    if key.revoked_at is not None:
        raise NotAllowed(f"the key {key.name!r} was revoked on {_day(key.revoked_at)}", code="invalid_api_key")
    if key.expires_at is not None and key.expires_at <= now:
        raise NotAllowed(
            f"the key {key.name!r} has expired on {_day(key.expires_at)}: `omniroute-ctl key edit {key.id} --expires` "
            "gives it more time",
            code="invalid_api_key",
        )
    if scope not in key.scopes:
        raise Forbidden(f"the key {key.name!r} is for {' and '.join(key.scopes)}, not for {scope}")
    if key.ips and not _is_within(who.address, key):
        raise Forbidden(f"the key {key.name!r} may not be used from {who.address}")


def _is_within(address: str, key: Key) -> bool:
    try:
        return read_address(address) in key.ips
    except ValueError:
        return False


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
