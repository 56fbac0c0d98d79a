"""The run itself: who fails and recovers, who asks, and what is seen of it."""

import asyncio
import json
import signal
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
from harness import REPO, Gateway, mitmproxy_command, until

from chaos.clients import Question, amiss
from chaos.schedule import HEALTHY, Schedule
from chaos.targets import Target
from omniroute.config.model import Limit
from omniroute.store.config import combos, limits, nodes, settings
from omniroute.store.db.database import Store
from omniroute.store.state import health

DIALECTS = ("openai", "openai", "claude", "responses", "gemini")
CLIENTS = 50
BLOCK = 4.0
"""Seconds; longer than any exchange may take."""
LATE = {"connect": 1.5, "first_byte": 1.5, "first_content": 1.5, "idle": 10}
SLOW = 0.4
"""Seconds for next to nothing: then the machine has too much else to do for anybody to keep such deadlines."""
STRATEGIES = ("priority", "random", "round-robin", "least-used")


@dataclass
class Seen:
    """What came of it."""

    answered: int = 0
    left: int = 0
    failed: list[str] = field(default_factory=list)
    """What clients were told while a target was healthy all the time."""
    alone: list[str] = field(default_factory=list)
    """The same while none was: the schedule gives no reason for it."""
    slow: list[str] = field(default_factory=list)
    """The same while the machine was too busy to tell."""
    served: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    breakers: Counter[str] = field(default_factory=Counter)
    """State -> in how many looks a breaker was in it."""
    slowest: float = 0.0
    """Seconds of the longest exchange."""
    middle: float = 0.0
    """Megabytes of the gateway when half of the questions were asked."""
    still_open: int = 0
    """Connections to targets that nobody needs any more."""


class Chaos:
    """Five targets, a gateway before them, and the clock of who is healthy."""

    def __init__(self, gateway: Gateway, targets: list[Target], seed: int) -> None:
        self.gateway, self.targets, self.seed = gateway, targets, seed
        self.seen = Seen()
        self.schedule = Schedule(len(targets), seed)
        self._well: list[tuple[float, set[int]]] = []
        self._slow: list[tuple[float, float]] = []
        self._next = 0

    async def run(self, exchanges: int, *, seconds: float) -> Seen:
        """Let the clients ask so many questions over roughly so many seconds, then let everybody recover."""
        pause = 2 * seconds * CLIENTS / exchanges
        context = ssl.create_default_context()
        try:
            async with asyncio.TaskGroup() as all_of_it:
                conductor = all_of_it.create_task(self._conduct(), name="conductor")
                watch = all_of_it.create_task(self._watch(context), name="watch")
                async with asyncio.TaskGroup() as clients:
                    for n in range(CLIENTS):
                        clients.create_task(self._client(n, exchanges, pause, context), name=f"client {n}")
                conductor.cancel()
                watch.cancel()
            await self._recover(context)
            for _ in range(200):  # the clients have left, so nothing should lead to a target any more
                self.seen.still_open = sum(target.open for target in self.targets)
                if not self.seen.still_open:
                    break
                await asyncio.sleep(0.05)
        finally:
            for target in self.targets:
                target.close()
        return self.seen

    async def _conduct(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, modes in enumerate(self.schedule.blocks()):
            well = {n for n, mode in enumerate(modes) if mode == HEALTHY}
            # Who stops being healthy is so from the beginning of its change on, who becomes it from the end.
            self._well.append((loop.time(), well & self._well[-1][1] if self._well else well))
            for target, mode in zip(self.targets, modes, strict=True):
                await target.be(mode)
            self._well.append((loop.time(), well))
            # Every other block nobody is spared who has failed, so that there is more to be made good.
            spared = "off" if number % 2 else "on"
            await asyncio.to_thread(settings.put, self.gateway.store, "cooldowns", spared)
            while (left := began + (number + 1) * BLOCK - loop.time()) > 0:
                await asyncio.sleep(min(left, 0.25))
                self._look()

    async def _watch(self, context: ssl.SSLContext) -> None:
        """Note when the gateway, or this process, takes long for what takes no time."""
        loop = asyncio.get_running_loop()
        how: Any = {"base_url": self.gateway.url, "timeout": 60, "trust_env": False, "verify": context}
        async with httpx.AsyncClient(**how) as client:
            while True:
                began = loop.time()
                await asyncio.sleep(0.1)
                await client.head("/api/hello")
                if loop.time() - began > 0.1 + SLOW:
                    self._slow.append((began, loop.time()))

    def _look(self) -> None:
        now = self.gateway.store.clock()
        for breaker in health.read(self.gateway.store).breakers.values():
            self.seen.breakers[breaker.state(now)] += 1

    def _was_healthy(self, began: float, ended: float) -> bool:
        """Tell whether a target was healthy over all that time."""
        before = [well for at, well in self._well if at <= began][-1:]
        during = [well for at, well in self._well if began < at <= ended]
        return bool(set.intersection(*before, *during))

    async def _client(self, n: int, exchanges: int, pause: float, context: ssl.SSLContext) -> None:
        dice, loop = Random(f"{self.seed}/client/{n}"), asyncio.get_running_loop()
        models = [f"all-{strategy}" for strategy in STRATEGIES]
        how: Any = {"base_url": self.gateway.url, "timeout": 60, "trust_env": False, "verify": context}
        async with httpx.AsyncClient(**how) as client:
            await asyncio.sleep(dice.random() * pause)
            while self._next < exchanges:
                self._next += 1
                question = Question.draw(self._next, self.seed, models)
                began = loop.time()
                if self._next == exchanges // 2:
                    self.seen.middle = (await asyncio.to_thread(self.look_inside))["megabytes"]
                await self._exchange(client, question)
                self.seen.slowest = max(self.seen.slowest, loop.time() - began)
                await asyncio.sleep(max(0.0, dice.random() * pause - (loop.time() - began)))

    async def _exchange(self, client: httpx.AsyncClient, question: Question) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(question.leaves):
                reply = await client.post(question.path, json=question.body)
            wrong = amiss(question, reply)
        except TimeoutError:
            self.seen.left += 1
            return
        except httpx.TransportError as error:
            wrong = repr(error)
        if wrong is None:
            self.seen.answered += 1
            # Who had to be kept waiting has a head from before it was known who would answer.
            self.seen.served[reply.headers.get("x-omniroute-route", "")] += 1
            self.seen.attempts[int(reply.headers.get("x-omniroute-attempts", "0"))] += 1
            return
        ended = loop.time()
        told = f"{question} after {ended - began:.2f} s, {self.schedule.modes}: {wrong}"
        await asyncio.sleep(SLOW + 0.2)  # until the watch has come around
        if any(begun < ended and over > began for begun, over in self._slow):
            self.seen.slow.append(told)
        elif self._was_healthy(began, ended):
            self.seen.failed.append(told)
        else:
            self.seen.alone.append(told)

    async def _recover(self, context: ssl.SSLContext) -> None:
        """Heal everybody, and ask until nobody is held back any more."""
        for target in self.targets:
            await target.be(HEALTHY)
        how: Any = {"base_url": self.gateway.url, "timeout": 60, "trust_env": False, "verify": context}
        async with httpx.AsyncClient(**how) as client:
            for turn in range(400):
                self._next += 1
                models = [f"{self.targets[turn % len(self.targets)].name}/m"]
                await self._exchange(client, Question.draw(self._next, self.seed, models))
                found = health.read(self.gateway.store)
                if turn > 10 and not found.breakers and not found.cooling:
                    return
                await asyncio.sleep(0.05)
        raise AssertionError(f"not all has recovered: {found}")

    def look_inside(self) -> dict[str, Any]:
        """Have the gateway's process say what it holds."""
        path = self.gateway.data_dir.parent / "spy.json"
        path.unlink(missing_ok=True)
        self.gateway.process.send_signal(signal.SIGUSR1)
        found: dict[str, Any] = json.loads(until("the spy writes", lambda: path.exists() and path.read_text("utf-8")))
        return found


@contextmanager
def chaos(folder: Path, seed: int) -> Iterator[Chaos]:
    """Start a gateway before five targets, which refuse until the run begins."""
    targets = [Target(f"t{n}", dialect, seed + n) for n, dialect in enumerate(DIALECTS)]

    def setup(store: Store) -> None:
        for target in targets:
            nodes.add(store, target.name, target.dialect, target.url)
        for strategy in STRATEGIES:
            combos.add(store, f"all-{strategy}", [f"{target.name}/m" for target in targets], strategy)
        for name, value in (("enabled", "on"), ("least", "0.02"), ("share", "0.3")):
            settings.put(store, f"hedge.{name}", value)
        limits.put(store, "node:t1", Limit(concurrency=6))
        limits.put(store, "node:t3", Limit(concurrency=4, gap=0.002))
        settings.put(store, "resume.enabled", "on")
        settings.put(store, "resume.most", "3")
        settings.put_resilience(store, "local", {"recovery": "1", "base": "0.3", "rate": "0.5", "most": "3"})

    command = [*mitmproxy_command("mitmdump", folder, {}), "-s", str(REPO / "tests/whole/chaos/spy.py")]
    environ = {"SPY": str(folder / "spy.json")}
    with Gateway.start(folder, command=command, environ=environ, setup=setup, deadlines=LATE) as gateway:
        yield Chaos(gateway, targets, seed)
