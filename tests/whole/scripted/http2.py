"""HTTP/2 with h2: the same behaviours, one stream each."""

import asyncio
from collections.abc import Mapping

import h2.config
import h2.connection
import h2.events
from h2.exceptions import ProtocolError

from scripted.http1 import Answer
from scripted.talk import Book, Request, Talk


class Http2(asyncio.Protocol):
    """One connection with any number of streams."""

    def __init__(self, book: Book, answer: Answer) -> None:
        self._book, self._answer = book, answer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._asked: dict[int, tuple[list[tuple[str, str]], bytearray]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._window = asyncio.Event()
        self._number = 0
        self.control = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._book.counts["connections"] += 1
        self._book.counts["accepted"] += 1
        self._number = next(self._book.numbers)
        self.h2.initiate_connection()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        for task in self._tasks.values():
            task.cancel()
        if not self.control:
            self._book.counts["connections"] -= 1

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            self._take(event)
        self.flush()

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def be_control(self) -> None:
        if not self.control:
            self.control = True
            self._book.counts["connections"] -= 1
            self._book.counts["accepted"] -= 1

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=number, headers=headers):
                self._asked[number] = ([(str(name), str(value)) for name, value in headers], bytearray())
            case h2.events.DataReceived(stream_id=number, data=data, flow_controlled_length=length):
                self._asked[number][1].extend(data)
                self.h2.acknowledge_received_data(length, number)
            case h2.events.StreamEnded(stream_id=number):
                self._begin(number)
            case h2.events.StreamReset(stream_id=number) if task := self._tasks.get(number):
                task.cancel()
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self._window.set()
            case h2.events.ConnectionTerminated():
                self.transport.close()
            case _:
                pass  # pings and priorities need no answer from here

    def _begin(self, number: int) -> None:
        headers, body = self._asked.pop(number)
        pseudo = {name: value for name, value in headers if name.startswith(":")}
        rest = [(name, value) for name, value in headers if not name.startswith(":")]
        request = Request(pseudo[":method"], pseudo[":path"], rest, bytes(body), "HTTP/2", self._number)
        task = asyncio.get_running_loop().create_task(self._run(number, request), name=f"stream {number}")
        self._tasks[number] = task

    async def _run(self, number: int, request: Request) -> None:
        try:
            await self._answer(Http2Talk(request, self, number))
        finally:
            self._tasks.pop(number, None)

    async def window(self, number: int) -> int:
        """Wait until the client takes more of this stream."""
        while not (room := min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)):
            self._window.clear()
            await self._window.wait()
        return room


class Http2Talk(Talk):
    def __init__(self, request: Request, connection: Http2, number: int) -> None:
        super().__init__(request)
        self.connection, self._number = connection, number

    async def start(self, status: int, headers: Mapping[str, str], length: int | None = None) -> None:
        lines = [(":status", str(status)), *((k, v) for k, v in headers.items() if k != "connection")]
        if length is not None:
            lines.append(("content-length", str(length)))
        self.connection.h2.send_headers(self._number, lines)
        self.connection.flush()

    async def send(self, piece: bytes) -> None:
        while piece:
            room = await self.connection.window(self._number)
            self.connection.h2.send_data(self._number, piece[:room])
            self.connection.flush()
            piece = piece[room:]

    async def end(self) -> None:
        self.over = True
        self.connection.h2.end_stream(self._number)
        self.connection.flush()

    def cut(self) -> None:
        if not self.over:
            self.connection.h2.reset_stream(self._number, error_code=2)
        self.over = True
        self.connection.flush()
