"""A stage without sockets for the layer: the test plays the client, the upstreams, the addons and the clock.

It keeps to what mitmproxy's server does: commands are carried out while the layer gives them, words for a
connection that is gone are dropped, a connection that we close says so once and one that the peer has
closed says nothing more, and hooks end later than they begin.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection
from functools import cache

from mitmproxy import http, options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode
from scripted_desk import ScriptedDesk

from omniroute.mitm.commands import WaiterNotified
from omniroute.mitm.layer import RoutedLayer


@cache
def _options() -> options.Options:
    made = options.Options(http2_ping_keepalive=0)
    Proxyserver().load(made)  # type: ignore[arg-type]
    return made


class Peer:
    """What the test holds of one connection to an upstream."""

    def __init__(self, play: "Play", conn: Server) -> None:
        self.play, self.conn = play, conn

    @property
    def heard(self) -> bytes:
        """All that was sent to it."""
        return bytes(self.play.sent[self.conn])

    @property
    def closed(self) -> bool:
        return self.conn.state is ConnectionState.CLOSED

    def say(self, *pieces: bytes) -> "Peer":
        for piece in pieces:
            if not self.closed:
                self.play.feed(events.DataReceived(self.conn, piece))
        return self

    def close(self) -> None:
        """Close its side, as a server does that has said all it wanted to."""
        if not self.closed:
            self.conn.state &= ~ConnectionState.CAN_READ
            self.play.feed(events.ConnectionClosed(self.conn))


class Play:
    """One client connection, and all that happens on it."""

    def __init__(self, desk: ScriptedDesk, *, hold: Collection[str] = (), alpn: bytes | None = None) -> None:
        """Take who decides; hooks named in `hold` end only when the test says so."""
        self.now = 1000.0
        self.desk, self.hold = desk, set(hold)
        desk.clock = lambda: self.now
        self.client = Client(
            peername=("127.0.0.1", 5), sockname=("127.0.0.1", 6), timestamp_start=0.0, state=ConnectionState.OPEN
        )
        self.client.proxy_mode = ProxyMode.parse("reverse:http://nowhere.invalid:9")
        self.client.alpn = alpn
        context = Context(self.client, _options())
        context.server.address = ("nowhere.invalid", 9)
        self.layer = RoutedLayer(context, HTTPMode.transparent, desk)
        self.sent: dict[Connection, bytearray] = {self.client: bytearray()}
        self.dials: list[commands.OpenConnection] = []
        self.held: list[commands.StartHook] = []
        self.hooks: list[str] = []
        self.flows: dict[str, Counter[str]] = defaultdict(Counter)
        """How often each hook of a flow has begun."""
        self.wakeups: list[tuple[float, commands.RequestWakeup]] = []
        self._there: set[Connection] = {self.client}
        self._cancelled: list[commands.OpenConnection] = []
        self._next = deque[events.Event]()
        self._feeding = False
        self.feed(events.Start())

    # what the test does

    def ask(self, raw: bytes) -> None:
        """Say something as the client."""
        self.feed(events.DataReceived(self.client, raw))

    def hang_up(self) -> None:
        """Leave as the client."""
        if self.client.state & ConnectionState.CAN_READ:
            self.client.state &= ~ConnectionState.CAN_READ
            self.feed(events.ConnectionClosed(self.client))

    def open(self, alpn: bytes | None = None) -> Peer:
        """Let the oldest dial succeed."""
        dial = self.dials.pop(0)
        dial.connection.state, dial.connection.alpn = ConnectionState.OPEN, alpn
        dial.connection.timestamp_start = dial.connection.timestamp_tcp_setup = self.now
        dial.connection.peername = ("127.0.0.1", 7)
        self.feed(events.OpenConnectionCompleted(dial, None))
        return Peer(self, dial.connection)

    def refuse(self, error: str = "[Errno 111] Connect call failed") -> None:
        """Let the oldest dial fail."""
        self._refuse(self.dials.pop(0), error)
        self._run()

    def turn(self, flow: http.HTTPFlow) -> None:
        """Say from outside that a flow's turn has come."""
        self.feed(WaiterNotified(flow))

    def end_hook(self) -> None:
        """Let the oldest of the held hooks end."""
        self.feed(events.HookCompleted(self.held.pop(0)))

    def end_hooks(self) -> None:
        """Let the held hooks end, and those that follow."""
        self.hold.clear()
        while self.held:
            self.end_hook()

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and wake who asked for it."""
        until = self.now + seconds
        while due := [wakeup for wakeup in self.wakeups if wakeup[0] <= until]:
            first = min(due, key=lambda wakeup: wakeup[0])
            self.wakeups.remove(first)
            self.now = max(self.now, first[0])
            self.feed(events.Wakeup(first[1]))
        self.now = until

    def end(self) -> None:
        """Take everything down, as the server does when the client is gone."""
        self.hang_up()
        self.end_hooks()
        self.wakeups.clear()
        while self.dials:
            self._refuse(self.dials.pop(), "connection cancelled")
        for connection in list(self._there):
            self._close(connection)
        self._run()
        self.end_hooks()

    @property
    def answered(self) -> bytes:
        """All that the client got."""
        return bytes(self.sent[self.client])

    @property
    def left(self) -> bool:
        """Whether the gateway has closed the client's connection."""
        return self.client.state is ConnectionState.CLOSED

    @property
    def fired(self) -> Counter[str]:
        return Counter(self.hooks)

    def leaks(self) -> list[str]:
        """Name what is still kept although no request is going on."""
        layer = self.layer
        found = [f"stream {stream}" for stream in layer.streams.values()]
        idle = [c for c in layer.connections if isinstance(c, Server)]
        found += [f"connection {c.address} {c.state}" for c in idle if c.state is not ConnectionState.OPEN]
        found += [f"waiting for {c.address}" for c in layer.waiting_for_establishment]
        found += [f"{c} of {s}" for c, s in layer.command_sources.items() if not isinstance(c, commands.RequestWakeup)]
        asked = {wakeup for _, wakeup in self.wakeups}
        if not self.left:
            found += [f"{c} of {s}" for c, s in layer.command_sources.items() if c not in asked]
        found += [f"warm {c.address}" for c in layer.warm if c.state is not ConnectionState.OPEN]
        return found

    # what the server does

    def feed(self, event: events.Event) -> None:
        self._next.append(event)
        self._run()

    def _run(self) -> None:
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._next or self._cancelled:
                if not self._next:
                    self._refuse(self._cancelled.pop(0), "connection cancelled")
                event = self._next.popleft()
                if isinstance(event, events.HookCompleted):
                    self.desk.hook(event.command)
                for command in self.layer.handle_event(event):
                    self._carry_out(command)
        finally:
            self._feeding = False

    def _carry_out(self, command: commands.Command) -> None:
        match command:
            case commands.OpenConnection():
                assert command.connection not in self._there
                self._there.add(command.connection)
                self.sent[command.connection] = bytearray()
                self.dials.append(command)
            case commands.RequestWakeup():
                self.wakeups.append((self.now + command.delay, command))
            case commands.ConnectionCommand() if command.connection not in self._there:
                pass
            case commands.SendData():
                self.sent[command.connection] += command.data
            case commands.CloseTcpConnection(half_close=True):
                command.connection.state &= ~ConnectionState.CAN_WRITE
            case commands.CloseConnection():
                self._close(command.connection)
            case commands.StartHook():
                self._begin(command)
            case commands.Log():
                pass
            case _:
                raise AssertionError(f"not for a server: {command}")

    def _begin(self, hook: commands.StartHook) -> None:
        self.hooks.append(hook.name)
        if isinstance(flow := hook.args()[0], http.HTTPFlow):
            self.flows[flow.id][hook.name] += 1
        if hook.name in self.hold:
            self.held.append(hook)
        else:
            self._next.append(events.HookCompleted(hook))

    def _refuse(self, dial: commands.OpenConnection, error: str) -> None:
        self._there.discard(dial.connection)
        dial.connection.error = error
        self._next.append(events.OpenConnectionCompleted(dial, error))

    def _close(self, connection: Connection) -> None:
        if dials := [dial for dial in self.dials if dial.connection is connection]:
            connection.state = ConnectionState.CLOSED
            self.dials.remove(dials[0])
            self._cancelled += dials  # it hears of it when everything else has been done
            return
        reading = connection.state & ConnectionState.CAN_READ
        connection.state = ConnectionState.CLOSED
        self._there.discard(connection)
        if reading:
            self._next.append(events.ConnectionClosed(connection))
