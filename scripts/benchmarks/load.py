"""The clients of the benchmark, in a process of their own: raw sockets, one keep-alive connection each.

Reads one Job as JSON from standard input and prints one Outcome as JSON.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field

NUMBER = "@number@"
"""What stands in a body for a number that is another one in each request."""
CONTENT = b"tick"
"""What the stub's content has in it, in whatever dialect it arrives."""


@dataclass(frozen=True)
class Job:
    port: int
    path: str
    body: str
    """`NUMBER` in it becomes another one each time."""
    clients: int
    requests: int
    """In all, shared by the clients."""
    seconds: float
    """No request begins later than this."""
    rate: float = 0.0
    """Requests a second of all clients together; 0 is as fast as they are answered."""


@dataclass
class Outcome:
    latency: list[float] = field(default_factory=list)
    """Milliseconds from the request to the end of its reply."""
    first: list[float] = field(default_factory=list)
    """Milliseconds to the first content."""
    events: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Client(asyncio.Protocol):
    def __init__(self, job: Job, outcome: Outcome, left: list[int], deadline: float) -> None:
        self._outcome, self._left, self._deadline = outcome, left, deadline
        body = job.body.encode()
        self._request = (
            f"POST {job.path} HTTP/1.1\r\nhost: 127.0.0.1:{job.port}\r\ncontent-type: application/json\r\n"
            f"anthropic-version: 2023-06-01\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body
        self._size: int | None = None
        """Bytes of the reply's body; None where it is chunked."""
        self._gap = job.clients / job.rate if job.rate else 0.0
        self._due = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._due = asyncio.get_running_loop().time() + self._gap * random.random()
        self._in_time()

    def _in_time(self) -> None:
        """Ask when it is time to; who is late asks at once, and does not make up for it."""
        if not self._gap:
            self._next()
            return
        loop = asyncio.get_running_loop()
        self._due = max(self._due + self._gap, loop.time())
        loop.call_at(self._due, self._next)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._outcome.errors.append(f"the connection was closed: {exc}")
            self.done.set_result(None)

    def _next(self) -> None:
        if not self._left[0] or time.perf_counter() > self._deadline:
            self.done.set_result(None)
            self._transport.close()
            return
        self._left[0] -= 1
        self._buffer, self._head, self._size, self._seen = bytearray(), 0, None, False
        self._start = time.perf_counter()
        self._transport.write(self._request.replace(NUMBER.encode(), b"%08d" % (self._left[0] % 10**8)))

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self._seen and CONTENT in self._buffer:
            self._seen = True
            self._outcome.first.append((now - self._start) * 1000)
        if self._is_whole():
            self._outcome.latency.append((now - self._start) * 1000)
            self._outcome.events += self._buffer.count(CONTENT)
            if not self._buffer.startswith(b"HTTP/1.1 200") or not self._seen:
                self._outcome.errors.append(self._buffer[:300].decode("utf-8", "replace"))
            self._in_time()

    def _is_whole(self) -> bool:
        if not self._head:
            self._head = self._buffer.find(b"\r\n\r\n") + 4
            if self._head < 4:
                self._head = 0
                return False
            _, named, rest = bytes(self._buffer[: self._head]).lower().partition(b"content-length:")
            self._size = int(rest.split(b"\r\n")[0]) if named else None
        if self._size is None:
            return self._buffer.endswith(b"\r\n0\r\n\r\n", self._head)
        return len(self._buffer) >= self._head + self._size


async def run(job: Job) -> Outcome:
    outcome, left = Outcome(), [job.requests]
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    clients = [Client(job, outcome, left, start + job.seconds) for _ in range(job.clients)]
    await asyncio.gather(*(loop.create_connection(lambda c=c: c, "127.0.0.1", job.port) for c in clients))
    # What hangs is an error, not a reason to wait forever.
    _, pending = await asyncio.wait([client.done for client in clients], timeout=job.seconds + 30)
    outcome.errors += ["a reply never ended"] * len(pending)
    outcome.seconds = time.perf_counter() - start
    return outcome


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(Job(**json.load(sys.stdin)))))))
