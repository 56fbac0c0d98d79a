"""The upstream of the benchmark: an OpenAI-shaped provider that costs next to nothing.

What it streams is chosen by the model's name: `EVENTS-MILLISECONDS`, as in `200-0`. Prints its port.
"""

import asyncio
import re

SMALL = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"tick tock"},"logprobs":null,"finish_reason":"stop"}],"usage":'
    b'{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}'
)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(SMALL), SMALL)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[%b]%b}\n\n'
MODEL = re.compile(rb'"model": ?"(?:\w+/)?(\d+)-(\d+)"')
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _framed(choices: bytes, rest: bytes = b"") -> bytes:
    event = CHUNK % (choices, rest)
    return b"%x\r\n%b\r\n" % (len(event), event)


FIRST = _framed(b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}')
WORD = _framed(b'{"index":0,"delta":{"content":"tick "},"logprobs":null,"finish_reason":null}')
LAST = (
    _framed(b'{"index":0,"delta":{},"finish_reason":"stop"}')
    + _framed(b"", b',"usage":{"prompt_tokens":9,"completion_tokens":200,"total_tokens":209}')
    + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
)


class Stub(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (at := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self._buffer, 0, at)
            end = at + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < end:
                return
            self._answer(self._buffer[:end])
            self._buffer = self._buffer[end:]

    def _answer(self, request: bytes) -> None:
        if found := MODEL.search(request):
            self._transport.write(HEAD + FIRST)
            self._tick(int(found[1]), int(found[2]) / 1000)
        else:
            self._transport.write(WHOLE)

    def _tick(self, left: int, pause: float) -> None:
        """Send one event a turn of the loop, so that each travels on its own."""
        if self._transport.is_closing():
            return
        self._transport.write(WORD if left else LAST)
        if left:
            asyncio.get_running_loop().call_later(pause, self._tick, left - 1, pause)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
