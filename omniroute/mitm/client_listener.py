"""Accept client connections on our own ports, in place of asyncio's accept loop.

mitmproxy serves every connection that the system accepts, with a task and some state for each. Here a connection is
counted first, refused or made room for at a limit, and waits without a handler until its first byte. Health probes are
answered right there; everything else is handed to mitmproxy, a few connections in each iteration of the event loop.

Relied on: `ServerInstance._servers` holds `asyncio.Server` objects, and `ServerInstance.handle_stream` serves a
connection as a callback of `asyncio.start_server` does.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from omniroute.access.client_address import source_of
from omniroute.config.server_limits import ServerLimits
from omniroute.mitm.client_connections import ClientConnection, ClientConnections, HasStreams
from omniroute.mitm.client_protocol import ClientProtocol, Serve
from omniroute.mitm.health_probe import Probe, read_probe
from omniroute.mitm.pacer import Pacer

log = logging.getLogger(__name__)

ACCEPTS = 64
"""Connections accepted in one iteration of the loop."""
BACKLOG = 4096
"""Connections that the system holds until they are accepted."""
PEEK = 8192
"""Bytes in which a health probe stands whole."""
OUT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
PAUSE = 0.25
"""Seconds without accepting after the system had no resources for a connection."""
MAKE_ROOM = 16
"""Idle connections that are closed then."""
SWEEP_MOST = 5.0
SWEEP_LEAST = 0.5
LOG_EVERY = 60.0
_BODY = (
    b'{"error":{"message":"the gateway has as many connections as it may have: try again in a second",'
    b'"type":"overloaded","code":"too_many_connections"}}'
)
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Policy(Protocol):
    """What the listener asks its owner."""

    def limits(self) -> ServerLimits:
        """Return the bounds in force."""

    def is_trusted(self, address: str) -> bool:
        """Return whether an address is a trusted proxy's."""

    def answer(self, probe: Probe, peer: str) -> bytes:
        """Return the whole response to a health probe."""

    def active(self) -> None:
        """Note that clients send something."""


@dataclass(slots=True, eq=False)
class _Listening:
    server: asyncio.Server
    serve: Serve
    fileno: int
    kind: tuple[int, int, int]

    @contextlib.contextmanager
    def socket(self) -> Iterator[socket.socket]:
        """Borrow the listening socket, which stays the server's."""
        borrowed = socket.socket(*self.kind, fileno=self.fileno)
        try:
            yield borrowed
        finally:
            borrowed.detach()

    @property
    def is_open(self) -> bool:
        return any(each.fileno() == self.fileno for each in self.server.sockets)


@dataclass(slots=True)
class _Waiting:
    """A connection without a byte."""

    sock: socket.socket
    peer: str
    serve: Serve
    connection: ClientConnection = field(repr=False)


class ClientListener:
    """Accepts on the sockets of mitmproxy's servers."""

    def __init__(self, policy: Policy, descriptors: int, loop: asyncio.AbstractEventLoop) -> None:
        self._policy, self._loop = policy, loop
        self.connections = ClientConnections(policy.limits, descriptors)
        self.pacer = Pacer(loop, active=policy.active)
        self._listening: dict[int, asyncio.Server] = {}
        self._by_ends: dict[tuple[Any, Any], ClientConnection] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._logged_at = float("-inf")

    def take_over(self, server: asyncio.Server, serve: Serve) -> None:
        """Accept on the sockets of a server from now on; safe to repeat."""
        for each in server.sockets:
            fileno = each.fileno()
            if self._listening.get(fileno) is server:
                continue
            listening = _Listening(server, serve, fileno, (each.family, each.type, each.proto))
            with listening.socket() as borrowed:
                borrowed.listen(BACKLOG)
            self._listening[fileno] = server
            self._resume(listening)
        if self._sweeper is None:
            self._sweep()

    def close(self) -> None:
        """End the timers, and the connections that have not sent a byte. Accepting ends with the servers."""
        if self._sweeper:
            self._sweeper.cancel()
            self._sweeper = None
        self.connections.close_all()

    def attach(self, client: tuple[Any, Any], layer: HasStreams) -> None:
        """Tell the HTTP layer of a connection, by its peer's and its own address."""
        if connection := self._by_ends.get(client):
            connection.layer = layer

    def is_spare(self, client: tuple[Any, Any]) -> bool:
        """Return whether a connection is over the limits, so that only health and management are served on it."""
        if not self.connections.spares:
            return False
        connection = self._by_ends.get(client)
        return connection is not None and connection.spare

    # accepting

    def _resume(self, listening: _Listening) -> None:
        if listening.is_open:
            self._loop.add_reader(listening.fileno, self._accept, listening)

    def _accept(self, listening: _Listening) -> None:
        with listening.socket() as borrowed:
            for _ in range(ACCEPTS):
                try:
                    sock, address = borrowed.accept()
                except (BlockingIOError, InterruptedError):
                    return
                except ConnectionAbortedError:
                    continue
                except OSError as error:
                    self._pause(listening, error)
                    return
                self._admit(sock, str(address[0]), listening.serve)

    def _pause(self, listening: _Listening, error: OSError) -> None:
        """Accept nothing for a moment: the listening socket stays readable, so the loop would spin."""
        self._log("accepting client connections is paused for %g s: %s", PAUSE, error.strerror)
        self._loop.remove_reader(listening.fileno)
        self._loop.call_later(PAUSE, self._resume, listening)
        if error.errno in OUT_OF_RESOURCES:
            now = self._loop.time()
            for _ in range(MAKE_ROOM):
                if not self.connections.evict(now):
                    break

    def _admit(self, sock: socket.socket, peer: str, serve: Serve) -> None:
        sock.setblocking(False)
        now, exempt = self._loop.time(), self._policy.is_trusted(peer)
        verdict = self.connections.judge(peer, sock.fileno(), now, exempt=exempt)
        if verdict == "refuse":
            _refuse(sock)
            refused = ", ".join(f"{count} by {name}" for name, count in self.connections.counts.refused.items())
            self._log("client connections are refused (since the start: %s)", refused)
            return
        connection = ClientConnection(
            source_of(peer), now, partial(self._drop, sock), exempt=exempt, spare=verdict == "spare"
        )
        self.connections.add(connection)
        waiting = _Waiting(sock, peer, serve, connection)
        if not (len(self.pacer) and self._first_bytes(waiting, registered=False)):
            # Under load the first bytes have mostly come by now, else they come later.
            self._loop.add_reader(sock, self._first_bytes, waiting)

    # before the first byte

    def _drop(self, sock: socket.socket) -> None:
        self._loop.remove_reader(sock)
        sock.close()

    def _first_bytes(self, waiting: _Waiting, *, registered: bool = True) -> bool:
        """Answer a health probe; hand everything else to mitmproxy. Return whether the loop need not look again."""
        sock, connection = waiting.sock, waiting.connection
        try:
            data = sock.recv(PEEK, socket.MSG_PEEK)
            if data and (probe := read_probe(data)):
                return self._answer(waiting, probe)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self.connections.remove(connection)
            self._drop(sock)
            return True
        if registered:
            self._loop.remove_reader(sock)
        connection.begun = connection.queued = True
        if registered and self.pacer.try_now():
            self._hand_over(waiting)
        else:
            self.pacer.submit(partial(self._hand_over, waiting))
        return True

    def _answer(self, waiting: _Waiting, probe: Probe) -> bool:
        answer = self._policy.answer(probe, waiting.peer)
        waiting.sock.recv(probe.size)
        whole = waiting.sock.send(answer) == len(answer)
        waiting.connection.begun = True
        waiting.connection.active_at = self._loop.time()
        if probe.keep_alive and whole:
            return False
        self.connections.remove(waiting.connection)
        self._drop(waiting.sock)
        return True

    def _hand_over(self, waiting: _Waiting) -> None:
        waiting.connection.queued = False
        task = self._loop.create_task(self._open(waiting), name="omniroute: client connection")
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, waiting: _Waiting) -> None:
        connection = waiting.connection
        protocol = ClientProtocol(
            connection,
            waiting.serve,
            self.pacer,
            opened=partial(self._opened, connection),
            lost=partial(self._lost, connection),
        )
        connection.close = lambda: None  # the transport closes the socket
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, waiting.sock)
        except OSError:
            self.connections.remove(connection)
            waiting.sock.close()

    # with a transport

    def _opened(self, connection: ClientConnection, transport: asyncio.Transport) -> None:
        ends = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._by_ends[ends] = connection
        connection.close = partial(_close, transport)
        connection.ends = ends

    def _lost(self, connection: ClientConnection) -> None:
        self.connections.remove(connection)
        if self._by_ends.get(connection.ends) is connection:
            del self._by_ends[connection.ends]

    def _sweep(self) -> None:
        self.connections.sweep(self._loop.time())
        limits = self._policy.limits()
        soon = min(limits.idle_timeout, limits.header_timeout) / 4
        self._sweeper = self._loop.call_later(min(SWEEP_MOST, max(SWEEP_LEAST, soon)), self._sweep)

    def _log(self, text: str, *values: object) -> None:
        now = self._loop.time()
        if now - self._logged_at >= LOG_EVERY:
            self._logged_at = now
            log.warning(text, *values)


def _close(transport: asyncio.Transport) -> None:
    """Close an idle connection; abort it where the client has not read its last response."""
    if transport.get_write_buffer_size():
        transport.abort()
    else:
        transport.close()


def _refuse(sock: socket.socket) -> None:
    """Send a short 503, if that is possible at once, and close."""
    with sock, contextlib.suppress(OSError):
        sock.send(REFUSAL)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(PEEK)  # closing with unread data would reset the connection before the client reads


def servers_of(instance: object) -> list[asyncio.Server]:
    """Return the TCP servers of one of mitmproxy's server instances."""
    return [each for each in getattr(instance, "_servers", ()) if isinstance(each, asyncio.Server)]
