"""What lives as long as the gateway runs. One place opens it and closes it."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import http

from omniroute.catalog import models, prices
from omniroute.catalog.providers import PROVIDERS
from omniroute.choosing import Choosing
from omniroute.exchange import Exchange
from omniroute.gate import Gate
from omniroute.netproxy.environment import Environment
from omniroute.netproxy.proxy import Proxy
from omniroute.note import Note
from omniroute.proxy.relay import Relay
from omniroute.redact import Known, Redactor
from omniroute.replays import Answer, Replays, pack, unpack
from omniroute.routing.budgets import NO_KEY
from omniroute.routing.config import Config, Place
from omniroute.routing.lockouts import Lockouts
from omniroute.routing.network import opened, path_of
from omniroute.routing.periods import PERIODS, Period, span, zone_of
from omniroute.routing.target import Target
from omniroute.spending import Spending
from omniroute.store import answers, backups, budgets, health, keys, limits, lockouts, snapshot, turns, usage
from omniroute.store.budgets import Estimate, Spent
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.keeper import Keeper
from omniroute.store.usage import UsageRow
from omniroute.store.writer import Writer
from omniroute.tally import Tally
from omniroute.watching import Watching

log = logging.getLogger(__name__)

GATHER, WINDOW = 0.03, 0.06
"""Seconds that a log row waits for company, here and in the writer: together less than a kill may lose."""
TIDY = 60.0
"""Seconds between two looks for kept replies that have expired; none of these is ever served."""
NOTICE = 0.1
"""Seconds between two looks for changes by another process."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The options that act on every exchange."""

    max_body: int = 32 * 1024 * 1024
    require_key: bool = False
    stream_usage: bool = True
    cache_breakpoints: bool = True
    """Whether Anthropic is asked to cache the prompts of clients whose dialects cannot ask for it."""
    response_ttl: float = 86400.0
    """Seconds for which a conversation of OpenAI Responses is kept after its last reply; 0 keeps none."""
    response_store: int = 256 * 1024 * 1024
    """Bytes of all conversations that are kept."""
    keepalive: float = 15.0
    """Seconds of silence after which a client that waits for a stream hears that it is not forgotten; 0 for never."""


class Runtime:
    """The snapshot, the credentials, the writer, the exchanges. Its clocks are arguments, so that tests move them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.wall = wall
        self.limits = Limits()
        self.config = Config()
        self.credentials: dict[str, str] = {}
        """Account id -> API key. Never logged, never in a flow; `redact` knows them all."""
        self.proxies: dict[Place, Proxy] = {}
        """The network proxies with what opens them; as secret."""
        self.environment = Environment()
        """What the environment says about proxies."""
        self.exchanges: WeakKeyDictionary[http.HTTPFlow, Exchange] = WeakKeyDictionary()
        self.prices_known = asyncio.Event()
        """Set when the price library is loaded: it takes a while, so a thread does it at the start."""
        self.spending = Spending(wall)
        self.spent_known = asyncio.Event()
        """Set when it is known what keys have spent: requests that come under a budget wait for that."""
        self.announced = asyncio.Event()
        """Set when the gateway answers; from then on `address` is where."""
        self.address = ""
        self.web_url: str | None = None
        """Where mitmweb is, if it is."""
        self.changed: Callable[[], None] = lambda: None
        """Called when another configuration is in force."""
        self.choosing = Choosing(clock=clock, wall=wall)
        self.choosing.changed = self._soon
        self.choosing.admission.alarm = self._set_alarm
        self.gate = Gate(clock=clock, wall=wall)
        self.gate.changed = self._soon
        self._alarm: asyncio.TimerHandle | None = None
        self.relay: Relay | None = None
        """Where requests about the gateway itself are answered, once they are."""
        self.managed = asyncio.Event()
        """Set when these are answered, or never will be."""
        self.replays = Replays(clock=clock, wall=wall)
        self.replays.saved, self.replays.gone = self._save_answer, self._forget_answers
        self.tally = Tally()
        self.watching = Watching(clock)
        self.started_at = wall()
        self.store: Store | None = None
        self.keeper: Keeper | None = None
        self._writer: Writer | None = None
        self._rows: list[UsageRow] = []
        self._estimates: list[Estimate] = []
        self._readings = 0
        self._flush_is_near = False
        self._known = Known()
        self._redactor = Redactor(lambda: self._known)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self._note: Note | None = None

    def open(self, data_dir: Path) -> None:
        """Open the store and start its threads; StoreError says in one sentence why it cannot be."""
        self._redactor.install()
        self.store = Store(data_dir)
        self._load()
        self.choosing.take_up(turns.load(self.store), health.load(self.store), self.config)
        self.choosing.limited(limits.start(self.store), limits.begun(self.store, self.wall()))
        self.gate.take_up(Lockouts(lockouts.load(self.store)), keys.uses(self.store), self.config)
        self._writer = Writer(self.store, window=WINDOW)
        self._writer.start()
        self._read_spent()
        self.keeper = Keeper(self.store, self._writer, wall=self.wall)
        self.task(self._tidy(self.keeper), "kept replies")
        self.task(self._back_up(self.store), "backups")
        self.task(self._take_up_answers(self.store), "answers")
        self._closing.clear()
        loop = asyncio.get_running_loop()
        self._watcher = threading.Thread(target=self._watch, args=(self.store, loop), name="omniroute-config")
        self._watcher.start()
        self.task(self._learn_prices(), "prices")

    def _set_alarm(self, seconds: float) -> None:
        """Have somebody let in from the queue when time alone makes room: one timer for all who wait."""
        if self._alarm:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self.choosing.admission.ring)

    async def _take_up_answers(self, store: Store) -> None:
        """Go on from the answers that were kept; until they are read, they are asked for anew."""
        cache = self.config.rules.cache
        self._write_down(lambda store: answers.trim(store, self.wall() - cache.ttl))
        if cache.enabled:
            self.replays.load(await asyncio.to_thread(_answers, store, self.wall() - cache.ttl), self.config.rules)

    def _save_answer(self, key: str, answer: Answer) -> None:
        self._write_down(lambda store: answers.keep(store, answers.Kept(key, answer.at, pack(answer))))

    def _forget_answers(self, keys: list[str]) -> None:
        self._write_down(lambda store: answers.forget(store, keys))

    def _write_down(self, job: Callable[[Store], None]) -> None:
        if self._writer and self.store:
            try:
                self._writer.submit(partial(job, self.store)).add_done_callback(_complain)
            except StoreError as error:
                log.warning("an answer could not be kept: %s", error)

    async def _learn_prices(self) -> None:
        try:
            await asyncio.to_thread(_load_catalog)
        finally:
            self.prices_known.set()

    async def _tidy(self, keeper: Keeper) -> None:
        """Forget from time to time what nobody has gone on from, and failures of long ago."""
        while True:
            self.watching.tidy()
            self.choosing.health.forget(self.wall())
            self.gate.lockouts.forget(self.config.rules.lockout, self.wall())
            self._soon()
            try:
                await asyncio.wrap_future(keeper.trim(self.limits.response_store))
            except StoreError as error:
                log.warning("kept replies that have expired could not be taken out: %s", error)
            await asyncio.sleep(TIDY)

    async def _back_up(self, store: Store) -> None:
        """Copy the database from time to time, and delete the oldest copies."""
        while True:
            await asyncio.sleep(TIDY)
            rules = self.config.rules.backup
            try:
                await asyncio.to_thread(backups.scheduled, store.path, rules.every, rules.keep, self.wall())
            except StoreError as error:
                log.warning("no backup could be made: %s", error)

    def _load(self) -> None:
        assert self.store
        self.config, self.credentials, self.proxies = found = _read(self.store)
        self._known = self._secrets(*found[1:])

    def _watch(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        """Bring in what `omniroute-ctl` changes. Requests in flight keep the snapshot they began with."""
        seen = self.config.revision
        while not self._closing.wait(NOTICE):
            try:
                if (revision := store.revision()) == seen:
                    continue
                found = _read(store)
                known = self._secrets(*found[1:])
            except Exception:
                log.exception("the configuration could not be read; the one in force stays")
                self._closing.wait(1.0)
                continue
            seen = revision
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._swap, *found, known)

    async def refresh(self) -> None:
        """Bring in what has just been changed here, so that whoever changed it finds it in force."""
        if self.store:
            found = await asyncio.to_thread(_read, self.store)
            self._swap(*found, self._secrets(*found[1:]))

    def _swap(self, config: Config, credentials: dict[str, str], proxies: dict[Place, Proxy], known: Known) -> None:
        if config.revision == self.config.revision:
            return  # somebody else was quicker to bring it in
        before, self.config, self.credentials, self.proxies = self.config, config, credentials, proxies
        self._known = known
        self.choosing.keep(config, before)
        self.gate.keep(config, before)
        self.replays.follow(config.rules, before.rules)
        self.spending.keep(config, before)
        if (config.rules.budget.zone, config.rules.repriced) != (before.rules.budget.zone, before.rules.repriced):
            self._read_spent()
        self.changed()
        log.info("configuration revision %s is in force", config.revision)

    def _secrets(self, credentials: dict[str, str], proxies: dict[Place, Proxy]) -> Known:
        """Give what no log may show: made where the configuration is read, since many take a while."""
        known = [*proxies.values(), self.environment.https, self.environment.http]
        return Known([*credentials.values(), *(secret for proxy in known if proxy for secret in proxy.secrets)])

    def proxy(self, target: Target, config: Config) -> Proxy | None:
        """Choose the network proxy for a target."""
        return opened(path_of(target, config, self.environment), self.proxies)

    async def announce(self, *, host: str, port: int, web_url: str | None) -> None:
        """Tell other processes of this data directory where the gateway is, and whoever waits for it here."""
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.web_url = web_url
        assert self.store
        said = {"host": host, "port": port, "web_url": web_url, "started_at": self.wall()}
        self._note = await asyncio.to_thread(Note, self.store.data_dir, said)
        self.announced.set()

    def _read_spent(self) -> None:
        """Read what keys have spent; what they spend from here on is added. The last of several readings counts."""
        assert self.store
        assert self._writer
        self._flush()
        self.spending.ledger.begin_reading()
        self._readings += 1
        zone, now = zone_of(self.config.rules.budget.zone), self.wall()
        spans = {period: span(period, now, zone) for period in PERIODS}
        # By the thread that writes, so that all that was flushed before is there, and nothing that comes after.
        job = self._writer.submit(partial(budgets.spent, self.store, spans))
        self.task(self._take_spent(self._readings, job, zone, now), "spent")

    async def _take_spent(
        self, reading: int, job: "Future[dict[tuple[str, Period], Spent]]", zone: tzinfo | None, now: float
    ) -> None:
        try:
            found = await asyncio.wrap_future(job)
        except StoreError as error:
            log.error("what keys have spent could not be read, and is read again: %s", error)
            await asyncio.sleep(1.0)
            if reading == self._readings:
                self._read_spent()
            return
        if reading == self._readings:
            self.spending.ledger.read({place: one.usd for place, one in found.items()}, zone, now)
            self.spent_known.set()

    def settle(self, exchange: Exchange) -> None:
        """Count what an exchange has cost, once, and keep what of that is an estimate."""
        if (guess := self.spending.settle(exchange, self.config)) > 0:
            key = exchange.key.id if exchange.key else NO_KEY
            self._estimates.append(Estimate(exchange.id, key, exchange.at, guess))

    def record(self, row: UsageRow) -> None:
        """Log an exchange. Rows of the same moment go as one job: a job for each would cost more than its row."""
        self.tally.add(row)
        self._rows.append(row)
        self._soon()

    def _soon(self) -> None:
        if not self._flush_is_near:
            self._flush_is_near = True
            asyncio.get_running_loop().call_later(GATHER, self._flush)

    def _flush(self) -> None:
        self._flush_is_near = False
        rows, self._rows = self._rows, []
        guessed, self._estimates = self._estimates, []
        if not (self._writer and self.store):
            return
        jobs: tuple[tuple[Callable[[], Any], Callable[[Store, Any], None]], ...] = (
            (self.choosing.turns.changes, turns.save),
            (self.choosing.health.changes, health.save),
            (self.choosing.admission.changes, partial(limits.save, at=self.wall())),
            (self.gate.uses, keys.save_uses),
            (self.gate.lockouts.changes, lockouts.save),
            (lambda: guessed, budgets.record),
            (lambda: rows, usage.record),
        )
        try:
            for changes, save in jobs:
                if what := changes():
                    self._writer.submit(partial(save, self.store, what)).add_done_callback(_complain)
        except StoreError as error:
            log.error("%d exchanges could not be logged: %s", len(rows), error)

    def task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something beside the traffic; it ends with the gateway at the latest."""
        task = asyncio.get_running_loop().create_task(work, name=f"omniroute: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s failed", task.get_name(), exc_info=error)

    def close(self) -> None:
        """Write what is pending, end the threads, close the store."""
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        if self._alarm:
            self._alarm.cancel()
        if self._watcher:
            self._watcher.join(5.0)
        self._flush()
        if self.keeper:
            self.keeper.close()
        if self._writer:
            self._writer.close(timeout=10.0)
        if self._note:
            self._note.take_away()
        if self.store:
            self.store.close()
        self._redactor.remove()
        self.store, self._writer, self._watcher, self._note, self.keeper = None, None, None, None, None


def _load_catalog() -> None:
    prices.load()
    for provider in PROVIDERS:
        models.known_models(provider)


def _answers(store: Store, since: float) -> list[tuple[str, Answer]]:
    found = []
    for kept in answers.load(store, since):
        with contextlib.suppress(ValueError, TypeError, KeyError):  # of another version: it is asked for anew
            found.append((kept.key, unpack(kept.content)))
    return found


def _complain(done: "Future[None]") -> None:
    if error := done.exception():
        log.error("what the gateway has done could not be written down: %s", error)


def _read(store: Store) -> tuple[Config, dict[str, str], dict[Place, Proxy]]:
    with store.view():
        return snapshot.load(store).ready(), snapshot.credentials(store), snapshot.proxies(store)
