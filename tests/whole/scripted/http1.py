"""HTTP/1.1 by hand, so that it can be broken exactly where a test wants it broken."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from scripted.talk import Book, Request, Talk

type Answer = Callable[[Talk], Awaitable[None]]


class Http1(asyncio.Protocol):
    """One connection: reads requests and has each answered, until either side ends it."""

    def __init__(self, book: Book, answer: Answer) -> None:
        self._book, self._answer = book, answer
        self._buffer = bytearray()
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._number = 0
        self.stale = False
        self.control = False
        """Asks for the log: not one of the connections that tests count."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._book.counts["connections"] += 1
        self._book.counts["accepted"] += 1
        self._number = next(self._book.numbers)
        self._task = asyncio.get_running_loop().create_task(self._serve(), name="connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self._task.cancel()
        if not self.control:
            self._book.counts["connections"] -= 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._more.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def write(self, data: bytes) -> None:
        await self._writable.wait()
        self.transport.write(data)

    def be_control(self) -> None:
        if not self.control:
            self.control = True
            self._book.counts["connections"] -= 1
            self._book.counts["accepted"] -= 1

    async def _serve(self) -> None:
        while not self.transport.is_closing():
            if self.stale:
                await self._until_length(1)
                self.transport.abort()
                return
            request = await self._read()
            talk = Http1Talk(request, self)
            await self._answer(talk)
            if talk.closes:
                self.transport.close()

    async def _read(self) -> Request:
        head = (await self._take_line(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        fields = {name.lower(): value for name, value in headers}
        if "chunked" in fields.get("transfer-encoding", ""):
            body = await self._read_chunks()
        else:
            body = await self._take(int(fields.get("content-length", 0)))
        return Request(method, target, headers, body, "HTTP/1.1", self._number)

    async def _read_chunks(self) -> bytes:
        body = b""
        while size := int((await self._take_line(b"\r\n")).split(b";")[0], 16):
            body += await self._take(size)
            await self._take(2)
        while await self._take_line(b"\r\n"):
            pass
        return body

    async def _take_line(self, end: bytes) -> bytes:
        while (at := self._buffer.find(end)) < 0:
            await self._until_length(len(self._buffer) + 1)
        line = await self._take(at + len(end))
        return line[:at]

    async def _take(self, size: int) -> bytes:
        await self._until_length(size)
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _until_length(self, size: int) -> None:
        while len(self._buffer) < size:
            self._more.clear()
            await self._more.wait()


class Http1Talk(Talk):
    def __init__(self, request: Request, connection: Http1) -> None:
        super().__init__(request)
        self.connection = connection
        self.closes = False
        self._chunked = False

    async def start(self, status: int, headers: Mapping[str, str], length: int | None = None) -> None:
        self._chunked = length is None
        framing = {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
        self.closes = headers.get("connection") == "close"
        lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
        lines += [f"{name}: {value}" for name, value in ({**headers, **framing}).items()]
        await self.connection.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def send(self, piece: bytes) -> None:
        if piece:
            await self.connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def end(self) -> None:
        if self._chunked:
            await self.connection.write(b"0\r\n\r\n")
        self.over = True

    def cut(self) -> None:
        # Closing sends what was written before it; an abort could overtake content that a test waits for.
        self.over = True
        self.connection.transport.close()

    async def raw(self, piece: bytes) -> None:
        await self.connection.write(piece)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus else "Overloaded"
