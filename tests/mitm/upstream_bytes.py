"""Bytes that upstreams and clients say, and the client's reading of an answer."""

import json
from dataclasses import dataclass

import h11

ASK = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: 2\r\n\r\n{}"


def event(delta: dict[str, str], reason: str | None = None) -> bytes:
    chunk = {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


ROLE = event({"role": "assistant"})
TEXT = event({"content": "hello"})
END = event({}, "stop") + b"data: [DONE]\n\n"
SAID = ROLE + TEXT + END
FAULT = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
WHOLE = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}).encode()
REFUSAL = json.dumps({"error": {"message": "slow down", "type": "rate_limit_error"}}).encode()

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(data: bytes) -> bytes:
    return HEAD + chunk(data) + LAST


def sized(data: bytes, status: int = 200, *fields: bytes, missing: int = 0) -> bytes:
    head = b"".join(field + b"\r\n" for field in (b"content-length: %d" % len(data), *fields))
    return b"HTTP/1.1 %d So\r\n%b\r\n%b" % (status, head, data[: len(data) - missing])


def good(stream: bool) -> bytes:
    return chunked(SAID) if stream else sized(WHOLE)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as a strict client reads it."""

    status: int
    headers: dict[str, str]
    body: bytes


def answers(raw: bytes, requests: int = 1, *, closed: bool = False) -> list[Answer]:
    """Read the answers to so many requests; h11 raises for what is not well-formed, we for what is not whole."""
    reader = h11.Connection(h11.CLIENT)
    reader.receive_data(raw)
    if closed:
        reader.receive_data(b"")
    read: list[Answer] = []
    for _ in range(requests):
        reader.send(h11.Request(method="POST", target="/", headers=[("host", "gateway"), ("content-length", "0")]))
        reader.send(h11.EndOfMessage())
        head, body = None, b""
        while type(said := reader.next_event()) is not h11.EndOfMessage:
            match said:
                case h11.Response():
                    head = said
                case h11.Data():
                    body += said.data
                case _:
                    raise AssertionError(f"{len(read)} whole answers, then {said} after {head} {body!r}")
        assert head
        fields = {name.decode(): value.decode() for name, value in head.headers}
        read.append(Answer(head.status_code, fields, body))
        if reader.our_state is h11.DONE and reader.their_state is h11.DONE:
            reader.start_next_cycle()
    rest = reader.trailing_data[0]
    assert not rest, f"the client got more than its answers: {rest!r}"
    return read


def answer(raw: bytes) -> Answer:
    return answers(raw)[0]
