"""The asyncio protocol of one client connection: as of `asyncio.start_server`, paced and counted."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from omniroute.mitm.client_connections import ClientConnection
from omniroute.mitm.pacer import Pacer

LINGER = 30.0
"""Seconds in which a client has to read some of what is left when its connection is being closed."""

type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ClientProtocol(asyncio.StreamReaderProtocol):
    """Feeds mitmproxy's connection handler. The first data pass at once: their connection was paced already."""

    def __init__(
        self,
        connection: ClientConnection,
        serve: Serve,
        pacer: Pacer,
        *,
        opened: Callable[[asyncio.Transport], None],
        lost: Callable[[], None],
    ) -> None:
        self._clients_loop = asyncio.get_running_loop()
        super().__init__(asyncio.StreamReader(loop=self._clients_loop), self._serve, loop=self._clients_loop)
        self._connection, self._handler, self._pacer = connection, serve, pacer
        self._opened, self._lost = opened, lost
        self._first = True
        self._socket_transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket_transport = cast("asyncio.Transport", transport)
        if transport.get_extra_info("peername") is None:  # the client has reset the connection already
            self._socket_transport.abort()
            return
        self._opened(self._socket_transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._socket_transport = None
        self._lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._first or self._pacer.try_now():
            self._first = False
            super().data_received(data)
        elif self._socket_transport:
            self._socket_transport.pause_reading()
            self._connection.queued = True
            self._pacer.submit(partial(self._resume, data))

    def _resume(self, data: bytes) -> None:
        self._connection.queued = False
        if self._socket_transport:
            self._socket_transport.resume_reading()
            super().data_received(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._handler(reader, writer)
        finally:
            self._close_slowly(None)

    def _close_slowly(self, unread: Any) -> None:
        """Abort a closed connection whose client stops reading: its socket would stay for ever."""
        transport = self._socket_transport
        if transport is None or not (left := transport.get_write_buffer_size()):
            return
        if unread is not None and left >= unread:
            transport.abort()
        else:
            self._clients_loop.call_later(LINGER, self._close_slowly, left)
