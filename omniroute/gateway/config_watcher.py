"""Read the configuration, and watch for changes by other processes in a thread."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from omniroute.config.model import Config, Place
from omniroute.netproxy.env_proxies import ProxyEnvironment
from omniroute.netproxy.proxy_url import Proxy
from omniroute.redaction import KnownSecrets
from omniroute.store.config import snapshot
from omniroute.store.db.database import Store

log = logging.getLogger(__name__)

NOTICE = 0.1
"""Seconds between two checks for changes by another process."""
PAUSE = 1.0
"""Seconds to wait after a failed read of the configuration."""


@dataclass(frozen=True, slots=True)
class ActiveConfig:
    """The configuration of one revision, with its credentials and secrets."""

    config: Config
    credentials: dict[str, str] = field(repr=False)
    """Account id -> API key."""
    proxies: dict[Place, Proxy] = field(repr=False)
    """The network proxies, with their credentials."""
    known: KnownSecrets = field(repr=False)
    """The secrets to redact from logs: built here, in the thread, since many take a while."""


def read(store: Store, environment: ProxyEnvironment) -> ActiveConfig:
    """Read the configuration from the store in one transaction. Blocks for a while, so call it in a thread."""
    with store.view():
        config, credentials, proxies = (
            snapshot.load(store).ready(),
            snapshot.credentials(store),
            snapshot.proxies(store),
        )
    opened = [*proxies.values(), environment.https, environment.http]
    known = KnownSecrets([*credentials.values(), *(secret for proxy in opened if proxy for secret in proxy.secrets)])
    return ActiveConfig(config, credentials, proxies, known)


class ConfigWatcher:
    """Call `found`, in a separate thread, with each configuration that is newer than revision `seen`."""

    def __init__(
        self, store: Store, environment: ProxyEnvironment, seen: int, found: Callable[[ActiveConfig], None]
    ) -> None:
        self._store, self._environment, self._seen, self._found = store, environment, seen, found
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="omniroute-config")
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(NOTICE):
            try:
                if (revision := self._store.revision()) == self._seen:
                    continue
                found = read(self._store, self._environment)
            except Exception:
                log.exception("the configuration could not be read; the one in force stays")
                self._closing.wait(PAUSE)
                continue
            self._seen = revision
            self._found(found)

    def close(self) -> None:
        """Stop the thread."""
        self._closing.set()
        self._thread.join(5.0)
