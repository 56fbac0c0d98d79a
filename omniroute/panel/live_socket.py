"""The live monitor: tells who watches what passes, many times a second at most, and holds nobody up for it.

A message is {"exchanges": [...], "missed": n}: each exchange as it stands now, by its id. `missed` counts what was too
much for who reads too slowly.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any

import orjson
from pydantic.alias_generators import to_camel
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from omniroute.errors import GatewayError, NotAllowed, UpgradeRequired
from omniroute.gateway.live_monitor import MonitoredExchange
from omniroute.gateway.runtime import Runtime
from omniroute.panel.auth import AdminAuth
from omniroute.panel.http import LOG_IN, BaseHandler
from omniroute.store.history.usage import AttemptRow, UsageRow

EVERY = 0.1
"""Seconds between two messages."""
MOST_WATCHERS = 16
MOST_WAITING = 1000
"""Exchanges that wait for one watcher to read them."""
AT_FIRST = 100
"""Exchanges that have just passed, for who begins to watch."""
LOOK_AGAIN = 10.0
"""Seconds after which it is seen whether somebody may still watch."""
ENDED = 4401
"""Says, in the close of a socket, that one has to log in again."""
LONGEST = 400
"""Characters of an error in the list; the exchange itself has the rest."""

OF_ROW = [(to_camel(each.name), attrgetter(each.name)) for each in fields(UsageRow) if each.name != "attempts"]
OF_ATTEMPT = [(to_camel(each.name), attrgetter(each.name)) for each in fields(AttemptRow)]


def shape(seen: MonitoredExchange) -> dict[str, Any]:
    """Give an exchange as it is on the wire: that of the call logs, its state and its flow."""
    said = {name: read(seen.row) for name, read in OF_ROW}
    said["attempts"] = [{name: _short(read(each)) for name, read in OF_ATTEMPT} for each in seen.row.attempts]
    said["error"] = _short(said["error"])
    return said | {"state": seen.state, "flow": seen.flow_id}


def _short(value: Any) -> Any:
    return value[:LONGEST] if isinstance(value, str) else value


class Broadcast:
    """All watchers, and one timer for them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._watchers: set[LiveSocket] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Whether there are as many as may be."""
        return len(self._watchers) >= MOST_WATCHERS

    def join(self, watcher: "LiveSocket") -> None:
        """Tell somebody too, from now on."""
        self._watchers.add(watcher)
        self._runtime.watching.add()
        watcher.offer(_written(self._runtime.watching.recent(AT_FIRST)))
        if self._timer is None:
            self._arm()

    def leave(self, watcher: "LiveSocket") -> None:
        """Tell them nothing more."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)
            self._runtime.watching.discard()

    def close(self) -> None:
        """Send all away: the gateway ends."""
        for watcher in [*self._watchers]:
            self.leave(watcher)
            watcher.close(1001)
        if self._timer:
            self._timer.cancel()

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if not self._watchers:
            return
        self._arm()
        if changed := self._runtime.watching.changes():
            written = _written(changed)
            for watcher in self._watchers:
                watcher.offer(written)


def _written(those: Iterable[MonitoredExchange]) -> list[tuple[str, bytes]]:
    return [(seen.id, orjson.dumps(shape(seen))) for seen in those]


class LiveSocket(BaseHandler, WebSocketHandler):
    """One watcher. What is not read yet is kept once for each exchange, and the oldest goes when it is too much."""

    def initialize(self, door: AdminAuth, broadcast: Broadcast) -> None:  # type: ignore[override]
        super().initialize(door, {})
        self._broadcast = broadcast
        self._waiting: dict[str, bytes] = {}
        self._missed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = False

    @property
    def ping_interval(self) -> float:
        """Find out whether who is silent is still there."""
        return 30.0

    @property
    def max_message_size(self) -> int:
        """Hear little: a watcher has nothing to say."""
        return 1024

    async def prepare(self) -> None:
        try:
            await self._may()
            if self.request.headers.get("Upgrade", "").lower() != "websocket":
                raise UpgradeRequired("this is for WebSockets")
            if self._broadcast.full:
                raise GatewayError(f"{MOST_WATCHERS} watch already", status=503, retry_after=10)
        except Exception as error:
            self.refuse(error)

    def check_origin(self, origin: str) -> bool:
        """Leave it to the door, which has looked already."""
        return True

    def open(self, *_: str, **__: str) -> None:
        self._broadcast.join(self)
        self._work(self._look_again())

    def on_message(self, message: str | bytes) -> None:
        """Do nothing: there is nothing to be told."""

    def on_close(self) -> None:
        self._broadcast.leave(self)
        for task in self._tasks:
            task.cancel()

    def offer(self, written: Iterable[tuple[str, bytes]]) -> None:
        """Take what is to be told, and tell it as soon as the last message is out."""
        for id, content in written:
            self._waiting.pop(id, None)
            self._waiting[id] = content
        while len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self._missed += 1
        if self._waiting and not self._writing:
            self._writing = True
            self._work(self._write())

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketClosedError):
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                missed, self._missed = self._missed, 0
                await self.write_message(b'{"exchanges":[' + b",".join(waiting.values()) + b'],"missed":%d}' % missed)
        self._writing = False

    async def _may(self) -> None:
        if not (await self.look()).authenticated:
            raise NotAllowed(LOG_IN)

    async def _look_again(self) -> None:
        """End with the log-in, and with whatever else has let somebody in."""
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            try:
                await self._may()
            except GatewayError as error:
                self.close(ENDED, error.message[:100])
                return

    def _work(self, what: Any) -> None:
        task = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
