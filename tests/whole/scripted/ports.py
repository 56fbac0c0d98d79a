"""Loopback ports on which nothing good can be reached."""

import asyncio
import socket
from contextlib import ExitStack


class Prose(asyncio.Protocol):
    """Answers whatever comes with a line of prose: to a TLS client, garbage."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"220 this is no TLS\r\n")
        self.transport.close()


def refused(stack: ExitStack) -> int:
    """Bind without listening: connects are refused, and nobody else gets the port."""
    sock = stack.enter_context(socket.socket())
    sock.bind(("127.0.0.1", 0))
    return int(sock.getsockname()[1])


def full(stack: ExitStack) -> int:
    """Listen with a queue that is full already: a connect gets no answer at all."""
    sock = stack.enter_context(socket.socket())
    sock.bind(("127.0.0.1", 0))
    sock.listen(0)
    for _ in range(2):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(sock.getsockname())
    return int(sock.getsockname()[1])


async def prose() -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(Prose, "127.0.0.1", 0)


async def silent() -> asyncio.Server:
    """Accept and say nothing: a TLS handshake that never ends."""
    return await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
