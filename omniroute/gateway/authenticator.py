"""Who is let in: what the gate remembers between requests. The pure rules that it goes by are in `routing`."""

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
"""Pairs of a source and a key that are remembered."""
USE_INTERVAL = 60.0
"""Seconds between two notes of when a key was used."""

type KeyUse = tuple[float, str]
"""When a key was used, and from which source."""


class Authenticator:
    """Keys, what they may be used for and how much; lock-outs. The clocks are arguments, so that tests move them."""

    def __init__(self, *, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.lockouts = Lockouts()
        self.changed: Callable[[], None] = lambda: None
        """Called when there is something to be saved."""
        self._clock, self._wall = clock, wall
        self._limits = RateLimits(InFlight())
        self._familiar: dict[tuple[str, str], None] = {}
        self._noted: dict[str, float] = {}
        self._uses: dict[str, KeyUse] = {}
        self._begun: deque[tuple[str, float]] = deque()
        """Exchanges that are counted and not saved yet: the key's id, and when they began."""

    def restore(self, lockouts: Lockouts, uses: Mapping[str, KeyUse], config: Config) -> None:
        """Go on from what was saved."""
        self.lockouts = lockouts
        for key, (at, source) in sorted(uses.items(), key=lambda item: item[1]):
            self._noted[key] = at
            self._seen(source, key)
        self._limits.set = config.key_limits

    def keep(self, config: Config, before: Config) -> None:
        """Go by new limits, and unlock what somebody has unlocked in another process."""
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
        """Find the key that opens `scope`.

        NotAllowed for a key that is unknown or over, Forbidden for one that may not do this or not from here, and
        RateLimited for who has shown too many that are unknown. A locked source is told the same whatever it shows,
        so guessing on teaches nothing. Only a key that has come from there before goes on working: somebody else
        behind the same address cannot shut out who is at work. On this machine every right key works, as one client
        that is set up wrongly must not stop all the others.
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
        """Find a key for who administers it and asks as its owner would; NotAllowed, Forbidden as in `key`."""
        key = next((each for each in (*config.keys, *config.revoked) if each.id == id), None)
        if key is None:
            raise NotAllowed("there is no such key", code="invalid_api_key")
        _check(key, who, "inference", self._wall())
        return key

    def acquire(self, key: Key) -> None:
        """Let an exchange begin, which counts until `leave`; RateLimited for a key that is at its limits."""
        now = self._clock()
        if wait := self._limits.wait(key.id, now):
            said = wait.why.removeprefix("it ")
            raise RateLimited(f"the key {key.name!r} {said}", retry_after=wait.seconds or 1.0)
        self._limits.begin(key.id, now)
        if self.counts(key):
            self._begun.append((key.id, now))
            while self._begun[0][1] + MINUTE <= now:  # nobody takes these at the moment
                self._begun.popleft()
            self.changed()

    def counts(self, key: Key | None) -> bool:
        """Say whether it matters when the exchanges of a key begin."""
        return key is not None and self._limits.counts(key.id)

    def begun(self) -> list[tuple[str, float]]:
        """Give what has to be saved since the last call: the ids of keys, and how many seconds ago exchanges began."""
        begun, self._begun = self._begun, deque()
        return [(key, self._clock() - at) for key, at in begun]

    def take_up_begun(self, begun: Mapping[str, Sequence[float]]) -> None:
        """Go on from when exchanges of keys have begun, as seconds of the epoch, the oldest first."""
        passed = self._clock() - self._wall()
        for key, times in begun.items():
            self._limits.take_up(key, [at + passed for at in times])

    def release(self, key: Key) -> None:
        """Note the end of an exchange."""
        self._limits.end(key.id)

    def in_use(self, key: str) -> tuple[int, int]:
        """Give how many exchanges of a key are in flight, and how many have begun in the last minute where limited."""
        return self._limits.in_use(key, self._clock())

    def uses(self) -> dict[str, KeyUse]:
        """Give what has to be saved since the last call."""
        uses, self._uses = self._uses, {}
        return uses

    def begin_login(self, address: str, config: Config) -> None:
        """Count a log-in as wrong before its password is looked at; `logged_in` takes that back.

        Looking takes time, and many tries at once would else all be looked at. RateLimited for who has to wait: the
        right password too, since a password can be guessed.
        """
        source = source_of(address)
        if seconds := self.lockouts.wait("login", source, self._wall()):
            raise RateLimited(describe("login", source, seconds), retry_after=seconds)
        self._failed("login", source, config)

    def logged_in(self, address: str) -> None:
        """Forget the wrong log-ins from where a right one came."""
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
    """Find a key by its digest, which takes the secret to make: how long that takes tells nothing about the key."""
    found = None
    for text in shown:
        made = digest(text)
        key = config.keys_by_digest.get(made)
        if key and hmac.compare_digest(key.digest, made) and (found is None or found.revoked_at is not None):
            found = key
    return found


def _check(key: Key, who: ClientAddress, scope: Scope, now: float) -> None:
    """Say to the owner of a key what is wrong with it. Nobody else gets here: it takes the whole key."""
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
