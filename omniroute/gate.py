"""Who is let in: what the gate remembers between requests. The pure rules that it goes by are in `routing`."""

import hmac
import logging
from collections.abc import Callable, Sequence

from omniroute.errors import NotAllowed, RateLimited
from omniroute.routing.config import Config, Key
from omniroute.routing.lockouts import Kind, Lockouts, words
from omniroute.routing.sources import is_loopback, source_of

log = logging.getLogger(__name__)

FAMILIAR = 10_000
"""Pairs of a source and a key that are remembered."""


class Gate:
    """Keys and lock-outs. The clock is an argument, so that tests can move it."""

    def __init__(self, *, wall: Callable[[], float]) -> None:
        self.lockouts = Lockouts()
        self.changed: Callable[[], None] = lambda: None
        """Called when there is something to be saved."""
        self._wall = wall
        self._familiar: dict[tuple[str, str], None] = {}

    def take_up(self, lockouts: Lockouts) -> None:
        """Go on from what was saved."""
        self.lockouts = lockouts

    def keep(self, config: Config, before: Config) -> None:
        """Unlock what somebody has unlocked in another process."""
        if new := config.rules.unlocks - before.rules.unlocks:
            self.lockouts.unlock(name for _, name in new)
            self.changed()

    def key(self, shown: Sequence[str], peer: str, config: Config, digest: Callable[[str], bytes]) -> Key:
        """Find the key that opens; else NotAllowed, or RateLimited for who has shown too many wrong ones.

        A locked source is told the same whatever it shows, so guessing on teaches nothing. Only a key that has come
        from there before goes on working: somebody else behind the same address cannot shut out who is at work. On
        this machine every right key works, as one client that is set up wrongly must not stop all the others.
        """
        source = source_of(peer)
        key = _find(shown, config, digest)
        seconds = self.lockouts.wait("key", source, self._wall())
        if seconds and not (key and (is_loopback(source) or (source, key.id) in self._familiar)):
            raise RateLimited(words("key", source, seconds), retry_after=seconds)
        if key is None:
            self._failed("key", source, config)
            raise NotAllowed(
                "this key is not known here: `omniroute-ctl key list` shows the keys that are", code="invalid_api_key"
            )
        self._familiar.pop((source, key.id), None)
        self._familiar[source, key.id] = None
        if len(self._familiar) > FAMILIAR:
            del self._familiar[next(iter(self._familiar))]
        return key

    def begin_login(self, peer: str, config: Config) -> None:
        """Count a log-in as wrong before its password is looked at; `logged_in` takes that back.

        Looking takes time, and many tries at once would else all be looked at. RateLimited for who has to wait: the
        right password too, since a password can be guessed.
        """
        source = source_of(peer)
        if seconds := self.lockouts.wait("login", source, self._wall()):
            raise RateLimited(words("login", source, seconds), retry_after=seconds)
        self._failed("login", source, config)

    def logged_in(self, peer: str) -> None:
        """Forget the wrong log-ins from where a right one came."""
        self.lockouts.cleared("login", source_of(peer))
        self.changed()

    def _failed(self, kind: Kind, source: str, config: Config) -> None:
        held = self.lockouts.failed(kind, source, config.rules.lockout, self._wall())
        if held.until > held.at:
            self.changed()
        if held.locked:
            log.warning("%s:%s is locked for %.0f s: %d wrong ones", kind, source, held.until - held.at, held.failures)


def _find(shown: Sequence[str], config: Config, digest: Callable[[str], bytes]) -> Key | None:
    """Find a key by its digest, which takes the secret to make: how long that takes tells nothing about the key."""
    for text in shown:
        made = digest(text)
        key = config.keys_by_digest.get(made)
        if key and hmac.compare_digest(key.digest, made) and key.revoked_at is None:
            return key
    return None
