"""The live monitor's WebSocket: sends changed exchanges to all watchers, at most once every EVERY seconds.

A message is {"exchanges": [...], "missed": n}: each changed exchange in its current state, identified by its id.
`missed` counts exchanges dropped because the watcher reads too slowly; a slow watcher never delays an exchange.
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
"""Exchanges buffered for one watcher at most."""
AT_FIRST = 100
"""Recent exchanges sent to a new watcher."""
LOOK_AGAIN = 10.0
"""Seconds between checks of whether a watcher is still authenticated."""
ENDED = 4401
"""WebSocket close code: the log-in has ended."""
LONGEST = 400
"""Characters of each text, such as an error, in a message; the exchange's detail has all of it."""

OF_ROW = [(to_camel(each.name), attrgetter(each.name)) for each in fields(UsageRow) if each.name != "attempts"]
OF_ATTEMPT = [(to_camel(each.name), attrgetter(each.name)) for each in fields(AttemptRow)]


def shape(seen: MonitoredExchange) -> dict[str, Any]:
    """Convert an exchange to its JSON form: the fields of the call log, `state` and the mitmproxy `flow` id."""
    said = {name: read(seen.row) for name, read in OF_ROW}
    said["attempts"] = [{name: _short(read(each)) for name, read in OF_ATTEMPT} for each in seen.row.attempts]
    said["error"] = _short(said["error"])
    return said | {"state": seen.state, "flow": seen.flow_id}


def _short(value: Any) -> Any:
    return value[:LONGEST] if isinstance(value, str) else value


class Broadcast:
    """All connected watchers, with one timer that sends them the changes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._watchers: set[LiveSocket] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Whether the limit of watchers is reached."""
        return len(self._watchers) >= MOST_WATCHERS

    def join(self, watcher: "LiveSocket") -> None:
        """Add a watcher and send it the recent exchanges."""
        self._watchers.add(watcher)
        self._runtime.watching.add()
        watcher.offer(_written(self._runtime.watching.recent(AT_FIRST)))
        if self._timer is None:
            self._arm()

    def leave(self, watcher: "LiveSocket") -> None:
        """Remove a watcher; do nothing if it has not joined."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)
            self._runtime.watching.discard()

    def close(self) -> None:
        """Close all watchers' sockets and stop the timer, as the gateway shuts down."""
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
    """One watcher's connection.

    Unsent changes are buffered, with the latest state per exchange only; over MOST_WAITING the oldest are dropped.
    """

    def initialize(self, door: AdminAuth, broadcast: Broadcast) -> None:  # type: ignore[override]
        super().initialize(door, {})
        self._broadcast = broadcast
        self._waiting: dict[str, bytes] = {}
        self._missed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = False

    @property
    def ping_interval(self) -> float:
        """Seconds between pings, which detect a dead connection."""
        return 30.0

    @property
    def max_message_size(self) -> int:
        """Bytes of a message from the watcher; kept small, as messages are ignored."""
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
        """Accept every origin: `prepare` has checked it with AdminAuth."""
        return True

    def open(self, *_: str, **__: str) -> None:
        self._broadcast.join(self)
        self._work(self._look_again())

    def on_message(self, message: str | bytes) -> None:
        """Ignore messages from the watcher."""

    def on_close(self) -> None:
        self._broadcast.leave(self)
        for task in self._tasks:
            task.cancel()

    def offer(self, written: Iterable[tuple[str, bytes]]) -> None:
        """Buffer exchanges as (id, JSON) and send them as soon as the previous message is written."""
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
        """Close the socket when the authentication that opened it no longer holds."""
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
