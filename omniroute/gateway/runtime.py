"""The objects that live as long as the gateway runs, opened and closed in one place."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import http

from omniroute.access.lockouts import Lockouts
from omniroute.budgets.ledger import NO_KEY
from omniroute.cache.response_cache import ResponseCache
from omniroute.config.model import Config, Place
from omniroute.gateway.authenticator import Authenticator
from omniroute.gateway.body_budget import BodyBudget
from omniroute.gateway.budget_enforcer import BudgetEnforcer, SpendLoader
from omniroute.gateway.config_watcher import ActiveConfig, ConfigWatcher, read
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.live_monitor import LiveMonitor
from omniroute.gateway.loop_watchdog import LoopWatchdog
from omniroute.gateway.maintenance import back_up, keep_answers, load_prices, restore_answers, run_cleanup
from omniroute.gateway.metrics import Metrics
from omniroute.gateway.router import Router
from omniroute.gateway.runtime_file import RuntimeFile
from omniroute.gateway.self_requests import InternalRequests
from omniroute.gateway.usage_recorder import WriteBehind
from omniroute.mitm.client_listener import ClientListener
from omniroute.mitm.management_relay import Relay
from omniroute.netproxy.env_proxies import ProxyEnvironment
from omniroute.netproxy.proxy_url import Proxy
from omniroute.redaction import KnownSecrets, Redactor
from omniroute.routing.proxy_choice import choose_proxy, opened
from omniroute.routing.target import Target
from omniroute.store.config import keys, limits
from omniroute.store.config.budgets import Estimate
from omniroute.store.db.database import Store
from omniroute.store.db.recovery import recover
from omniroute.store.history.usage import UsageRow
from omniroute.store.state import health, lockouts, strategy_state
from omniroute.store.state.conversation_keeper import ConversationKeeper
from omniroute.tasks import Tasks

log = logging.getLogger(__name__)

LARGE_AT_ONCE = 1
"""Large bodies to parse or translate at a time; more would starve the event loop of the interpreter lock."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The options that apply to every exchange."""

    max_body: int = 32 * 1024 * 1024
    require_key: bool = False
    stream_usage: bool = True
    cache_breakpoints: bool = True
    """Whether to set Anthropic cache breakpoints for clients whose dialects cannot express them."""
    response_ttl: float = 86400.0
    """Seconds for which an OpenAI Responses conversation is kept after its last reply; 0 keeps none."""
    response_store: int = 256 * 1024 * 1024
    """Maximum bytes of all stored conversations."""
    keepalive: float = 15.0
    """Seconds of silence after which a client that waits for a stream gets a keep-alive; 0 for never."""


class Runtime:
    """Configuration, credentials, store and exchanges of a gateway. The clocks are arguments, for tests."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.wall = wall
        self.limits = Limits()
        self.config = Config()
        self.bodies = BodyBudget(lambda: self.config.rules.server.body_total)
        self.large_bodies = asyncio.Semaphore(LARGE_AT_ONCE)
        """Held while a thread parses or translates a large body: parsing keeps the interpreter lock."""
        self.credentials: dict[str, str] = {}
        """Account id -> API key. Never logged, never in a flow; `redact` knows them all."""
        self.proxies: dict[Place, Proxy] = {}
        """The network proxies with their credentials; never logged."""
        self.environment = ProxyEnvironment()
        """The proxy settings from the environment."""
        self.exchanges: WeakKeyDictionary[http.HTTPFlow, Exchange] = WeakKeyDictionary()
        self.in_flight: WeakSet[http.HTTPFlow] = WeakSet()
        """Flows of client requests in flight."""
        self.clients: ClientListener | None = None
        """The listener for client connections, once its ports are open."""
        self.loop_watchdog = LoopWatchdog()
        self.prices_known = asyncio.Event()
        """Set when the price library is loaded, which a thread does at the start."""
        self.spending = BudgetEnforcer(wall)
        self.announced = asyncio.Event()
        """Set when the gateway accepts requests; from then on `address` is set."""
        self.address = ""
        self.web_url: str | None = None
        """URL of mitmweb, if it runs."""
        self.changed: Callable[[], None] = lambda: None
        """Called when another configuration is in force."""
        self.tasks = Tasks()
        self.choosing = Router(clock=clock, wall=wall)
        self.choosing.admission.alarm = self._set_alarm
        self.gate = Authenticator(clock=clock, wall=wall)
        self.pending = WriteBehind(
            (
                lambda: self.choosing.turns.changes(),
                strategy_state.save,
            ),  # a lambda, since restoring replaces these objects
            (lambda: self.choosing.health.changes(), health.save),
            (self.choosing.admission.changes, lambda store, held: limits.save(store, held, at=wall())),
            (self.gate.uses, keys.save_uses),
            (self.gate.begun, self._save_begun),
            (lambda: self.gate.lockouts.changes(), lockouts.save),
        )
        self.choosing.changed = self.gate.changed = self.pending.schedule_flush
        self.spent = SpendLoader(self.spending.ledger, self.pending, self.tasks, wall)
        self._alarm: asyncio.TimerHandle | None = None
        self.relay: Relay | None = None
        """The relay to the management API."""
        self.managed = asyncio.Event()
        """Set when the management API is ready, or will never be."""
        self.replays = ResponseCache(clock=clock, wall=wall)
        keep_answers(self.replays, self.pending)
        self.tally = Metrics()
        self.watching = LiveMonitor(clock)
        self.visits = InternalRequests()
        self.started_at = wall()
        self.store: Store | None = None
        self.keeper: ConversationKeeper | None = None
        self._known = KnownSecrets()
        self._redactor = Redactor(lambda: self._known)
        self._following: ConfigWatcher | None = None
        self._note: RuntimeFile | None = None

    def open(self, data_dir: Path) -> None:
        """Open the store and start background threads and tasks. Raises StoreError with the reason in one sentence."""
        self._redactor.install()
        self.store = store = Store(data_dir)
        recover(store)
        found = read(store, self.environment)
        self._take(found)
        self.choosing.restore(strategy_state.load(store), health.load(store), self.config)
        begun = limits.begun(store, self.wall())
        self.choosing.limited(limits.start(store), begun)
        self.gate.restore(Lockouts(lockouts.load(store)), keys.uses(store), self.config)
        self.gate.take_up_begun(limits.begun_by_key(begun))
        writer = self.pending.open(store)
        self.spent.read(self.config.rules.budget.zone)
        self.keeper = ConversationKeeper(store, writer, wall=self.wall)
        self.tasks.start(run_cleanup(self.keeper, lambda: self.limits.response_store, self._forget), "kept replies")
        self.tasks.start(back_up(store, lambda: self.config.rules, self.wall), "backups")
        taken_up = restore_answers(self.replays, self.pending, store, self.config.rules, self.wall())
        self.tasks.start(taken_up, "answers")
        loop = asyncio.get_running_loop()
        self._following = ConfigWatcher(store, self.environment, self.config.revision, partial(self._found, loop))
        self.tasks.start(load_prices(self.prices_known), "prices")

    def _set_alarm(self, seconds: float) -> None:
        """Set the one timer that admits queued exchanges when a rate limit's window moves on."""
        if self._alarm:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self.choosing.admission.ring)

    def _forget(self) -> None:
        """Drop expired state."""
        self.watching.cleanup()
        self.choosing.health.discard(self.wall())
        self.gate.lockouts.forget(self.config.rules.lockout, self.wall())
        self.pending.schedule_flush()

    def _found(self, loop: asyncio.AbstractEventLoop, found: ActiveConfig) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._swap, found)

    async def refresh(self) -> None:
        """Apply a change that was made in this process, so that it is in force when this returns."""
        if self.store:
            self._swap(await asyncio.to_thread(read, self.store, self.environment))

    def _swap(self, found: ActiveConfig) -> None:
        """Apply another configuration. Requests in flight keep the one they started with."""
        before, config = self.config, found.config
        if config.revision == before.revision:
            return  # applied already
        self._take(found)
        self.choosing.keep(config, before)
        self.gate.keep(config, before)
        self.replays.follow(config.rules, before.rules)
        self.spending.keep(config, before)
        if (config.rules.budget.zone, config.rules.repriced) != (before.rules.budget.zone, before.rules.repriced):
            self.spent.read(config.rules.budget.zone)
        self.changed()
        log.info("configuration revision %s is in force", config.revision)

    def _take(self, found: ActiveConfig) -> None:
        self.config, self.credentials = found.config, found.credentials
        self.proxies, self._known = found.proxies, found.known

    def proxy(self, target: Target, config: Config) -> Proxy | None:
        """Choose the network proxy for a target; None for a direct connection."""
        return opened(choose_proxy(target, config, self.environment), self.proxies)

    async def announce(self, *, host: str, port: int, web_url: str | None) -> None:
        """Write the runtime file for other processes, and set `announced`."""
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.web_url = web_url
        assert self.store
        said = {"host": host, "port": port, "web_url": web_url, "started_at": self.wall()}
        self._note = await asyncio.to_thread(RuntimeFile, self.store.data_dir, said)
        self.announced.set()

    def settle(self, exchange: Exchange) -> None:
        """Record the cost of an exchange, and save the estimated part of it."""
        if (guess := self.spending.settle(exchange, self.config)) > 0:
            key = exchange.key.id if exchange.key else NO_KEY
            self.pending.record_estimate(Estimate(exchange.id, key, exchange.at, guess))

    def record(self, row: UsageRow) -> None:
        """Count and save a usage record."""
        self.tally.add(row)
        self.pending.record(row)

    def _save_begun(self, store: Store, begun: Sequence[tuple[str, float]]) -> None:
        limits.save_begun(store, [(limits.of_key(key), age) for key, age in begun], self.wall())

    async def save_windows(self, exchange: Exchange, target: Target) -> None:
        """Wait until the use of a rate-limited account or key is on the disk, so that its limit survives a kill."""
        if self.choosing.admission.limits.counts(target.account.id) or self.gate.counts(exchange.key):
            await self.pending.written()

    def close(self) -> None:
        """Write what is pending, stop the threads, close the store."""
        self.tasks.close()
        if self._alarm:
            self._alarm.cancel()
        if self._following:
            self._following.close()
        self.pending.flush()
        if self.keeper:
            self.keeper.close()
        self.pending.close()
        if self._note:
            self._note.remove()
        if self.store:
            self.store.close()
        self._redactor.remove()
        self.store, self.keeper, self._following, self._note = None, None, None, None
