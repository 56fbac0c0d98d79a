"""Whole replies, errors, waiting times and compressed bodies of upstreams: read without an exception, and bounded."""

import gzip
import zlib
from pathlib import Path

import orjson
from fuzz_kit import fuzz
from mutate import MAX_SIZE, Mutator, dump

from omniroute.dialects.detect import detect_dialect
from omniroute.dialects.hub import read_whole
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.upstream_errors import MAX_MESSAGE, UNSAFE, read_error
from omniroute.mitm.decompress import PIECE, in_pieces
from omniroute.routing.retry_after import MAX_WAIT, parse_retry_after

WIRE = Path(__file__).resolve().parents[1] / "wire"
REPLIES = {name: (WIRE / f"{name}-whole.json").read_bytes() for name in DIALECTS}
VALUES = {name: orjson.loads(raw) for name, raw in REPLIES.items()}
ERRORS = (
    b'{"error": {"message": "Rate limit reached, try again in 20s.", "type": "tokens", "code": "rate_limit_exceeded"}}',
    b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}',
    b'[{"error": {"code": 429, "message": "Q", "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "8s"}]}}]',
    b"<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>",
    b'{"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "value_error.missing"}]}',
)
HEADERS = (
    {"retry-after": "20", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"},
    {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "retry-after-ms": "1500"},
    {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-12-01T00:00:00Z"},
)
WORDS = (b"1e308s", b"-1", b"99999999999999999999", b"NaN", b"<", b"<title>" * 50, b"\x1b[2J", b"try again in ", b"0x1")
ENCODINGS = ("gzip", "deflate", "br", "zstd", "identity")
MAX_UNFOLDED = 1 << 20
NOW = 1_800_000_000.0


def make(mutator: Mutator) -> bytes:
    """Make a line that says what is read, and the bytes behind it."""
    kind = mutator.pick(("whole", "whole", "error", "wait", "inflate"))
    name = mutator.pick(list(DIALECTS))
    how = {"kind": kind, "name": name, "status": mutator.pick((200, 400, 401, 429, 500, 529)), "encoding": "gzip"}
    match kind:
        case "whole" if mutator.random.randrange(3):
            data = dump(mutator.json_of(VALUES[name], list(VALUES.values())))[:MAX_SIZE]
        case "whole":
            data = mutator.bytes_of(REPLIES[name], list(REPLIES.values()))
        case "error":
            data = mutator.bytes_of(mutator.pick(ERRORS), ERRORS, words=WORDS)
        case "wait":
            data = mutator.bytes_of(dump(mutator.pick(HEADERS)), ERRORS, words=WORDS)
        case _:
            how["encoding"] = mutator.pick(ENCODINGS)
            plain = REPLIES[name] * mutator.pick((1, 40))
            packed = gzip.compress(plain, mtime=0) if mutator.random.randrange(2) else zlib.compress(plain)
            data = mutator.bytes_of(packed, [packed])
    return dump(how) + b"\n" + data


def check(data: bytes) -> None:
    first, _, data = data.partition(b"\n")
    how = orjson.loads(first)
    match how["kind"]:
        case "whole":
            check_whole(how["name"], data)
        case "error":
            fault = read_error(how["status"], data)
            assert len(fault.message) <= MAX_MESSAGE
            assert not UNSAFE.search(fault.message + fault.kind)
        case "wait":
            check_wait(data)
        case _:
            check_inflate(how["encoding"], data)


def check_whole(upstream: str, data: bytes) -> None:
    for client in DIALECTS:
        whole = read_whole(client, upstream, data, model="m", created=1, reply_id="r")
        assert len(whole.raw) <= 24 * len(data) + 64 * 1024
        if whole.fault is None and client != upstream:
            back = read_whole(client, client, whole.raw, model="m")
            assert back.fault is None, f"{client} cannot read what was written for it: {back.fault}"
    detect_dialect(data)


def check_wait(data: bytes) -> None:
    try:
        read = orjson.loads(data)
    except orjson.JSONDecodeError:
        read = {"retry-after": data[:200].decode("latin-1")}
    headers = {str(name): str(value) for name, value in read.items()} if isinstance(read, dict) else {}
    wait = parse_retry_after(headers, data.decode("utf-8", "replace"), NOW)
    assert wait is None or 0 <= wait <= MAX_WAIT


def check_inflate(encoding: str, data: bytes) -> None:
    pieces = in_pieces(encoding)
    if pieces is None:
        return
    size = 0
    try:
        for start in range(0, len(data), 1024):
            for piece in pieces(data[start : start + 1024]):
                assert len(piece) <= PIECE
                size += len(piece)
                if size > MAX_UNFOLDED:
                    return
    except (zlib.error, ValueError):
        pass


def test_whole_replies_errors_and_compressed_bodies() -> None:
    fuzz("replies", make, check)
