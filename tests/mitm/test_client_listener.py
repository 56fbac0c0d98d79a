"""The listener accepts in place of asyncio, bounds what it accepts, and loses nothing."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from omniroute.config.server_limits import ServerLimits
from omniroute.mitm.client_connections import SPARE
from omniroute.mitm.client_listener import ClientListener
from omniroute.mitm.health_probe import Probe, write_answer

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PROBE = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


class Layer:
    def __init__(self) -> None:
        self.streams: dict[int, object] = {1: object()}
        self.requests = 1


class Stage:
    """An echo server behind the listener, and the listener's policy."""

    def __init__(self) -> None:
        self.bounds = ServerLimits()
        self.served = 0
        self.layers: list[Layer] = []
        self.spares = 0
        self.listener = ClientListener(self, 20_000, asyncio.get_running_loop())

    def limits(self) -> ServerLimits:
        return self.bounds

    def is_trusted(self, address: str) -> bool:
        return False

    def active(self) -> None:
        pass

    def answer(self, probe: Probe, peer: str) -> bytes:
        return write_answer(probe, 200, "OK", probe.path.encode())

    async def start(self) -> None:
        self.server = await asyncio.start_server(self.echo, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()
        self.listener.take_over(self.server, self.echo)
        self.listener.take_over(self.server, self.echo)

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served += 1
        client = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        self.layers.append(Layer())
        self.listener.attach(client, self.layers[-1])
        self.spares += self.listener.is_spare(client)
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def connect(self, first: bytes = b"") -> Streams:
        streams = await asyncio.open_connection(*self.address[:2])
        if first:
            streams[1].write(first)
            assert await streams[0].readexactly(len(first)) == first
        return streams


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    await made.start()
    yield made
    made.server.close()
    made.listener.close()


async def until(what: Any) -> None:
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 - sockets set no event
            await asyncio.sleep(0.005)


async def test_everything_passes_in_order_and_is_counted(stage: Stage) -> None:
    async def talk(number: int) -> None:
        reader, writer = await stage.connect()
        said = b"".join(b"%d %d\n" % (number, line) for line in range(2000))
        for at in range(0, len(said), 5000):
            writer.write(said[at : at + 5000])
            await asyncio.sleep(0)
        writer.write_eof()
        assert await reader.read() == said
        writer.close()

    await asyncio.gather(*(talk(number) for number in range(100)))
    assert stage.served == 100
    await until(lambda: len(stage.listener.connections) == 0)
    assert stage.listener.connections.counts.accepted == 100
    assert not stage.listener._by_ends


async def test_a_connection_without_a_byte_has_no_handler(stage: Stage) -> None:
    _, writer = await stage.connect()
    await until(lambda: len(stage.listener.connections) == 1)
    assert stage.served == 0
    writer.close()
    await until(lambda: len(stage.listener.connections) == 0)
    assert stage.served == 0


async def test_probes_are_answered_without_a_handler(stage: Stage) -> None:
    reader, writer = await stage.connect()
    for _ in range(3):
        writer.write(PROBE)
        assert (await reader.readuntil(b"/healthz")).startswith(b"HTTP/1.1 200")
    writer.write(b"GET /other")
    assert await reader.readexactly(10) == b"GET /other"
    assert stage.served == 1
    writer.close()


async def test_over_the_limit_a_short_503_is_sent(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    stage.bounds = ServerLimits(connections=5)
    kept = [await stage.connect(b"x") for _ in range(5 + SPARE)]
    assert stage.spares == SPARE
    answers = []
    for _ in range(3):
        reader, writer = await stage.connect()
        answers.append(await reader.read())
        writer.close()
    assert all(answer.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in answer for answer in answers)
    assert caplog.text.count("client connections are refused") == 1
    for layer in stage.layers:
        layer.streams = {}
    await asyncio.sleep(1.1)  # what has just had a request does not make room
    fresh = await stage.connect(b"y")
    assert await kept[0][0].read() == b"", "the connection that was idle for the longest is closed"
    for _, writer in (*kept, fresh):
        writer.close()


async def test_idle_connections_end_and_busy_ones_stay(stage: Stage) -> None:
    stage.bounds = ServerLimits(idle_timeout=1.0, header_timeout=1.0)
    silent, idle, busy = await stage.connect(), await stage.connect(b"x"), await stage.connect(b"y")
    stage.layers[0].streams = {}
    stage.listener._sweep()
    async with asyncio.timeout(20):
        assert await silent[0].read() == b""
        assert await idle[0].read() == b""
    busy[1].write(b"still here")
    assert await busy[0].readexactly(10) == b"still here"
    for _, writer in (silent, idle, busy):
        writer.close()


async def test_without_descriptors_accepting_pauses(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    failures = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENFILE, "Too many open files in system")]
    accept = socket.socket.accept

    def failing(self: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    _, writer = await stage.connect(b"hello")
    assert not failures
    assert caplog.text.count("is paused") == 1, "once a minute"
    writer.close()


async def test_a_client_that_reads_nothing_is_let_go(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniroute.mitm.client_protocol.LINGER", 0.05)
    _, writer = await stage.connect(b"x")
    writer.transport.pause_reading()
    writer.write(b"z" * 40_000_000)  # more than the system's buffers hold in both directions
    writer.write_eof()
    (connection,) = stage.listener.connections._all
    await until(lambda: not stage.listener._by_ends or not writer.transport.get_write_buffer_size())
    await until(lambda: connection not in stage.listener.connections._all)
    writer.transport.abort()


async def test_ending_closes_what_waits(stage: Stage) -> None:
    reader, writer = await stage.connect()
    await until(lambda: len(stage.listener.connections) == 1)
    stage.listener.close()
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()
