"""Streamed replies of every dialect, for every client: nothing raises, everything ends, and clients can read it."""

from pathlib import Path

import orjson
from fuzz_kit import fuzz
from mutate import MAX_SIZE, Mutator, dump

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Fault
from omniroute.dialects.translate import CODECS

WIRE = Path(__file__).resolve().parents[1] / "wire"
STREAMS = {
    name: [path.read_bytes() for path in sorted(WIRE.glob(f"{name}-*")) if "whole" not in path.name] for name in CODECS
}
ALL = [sample for samples in STREAMS.values() for sample in samples]
WORDS = (
    b"data: [DONE]\n\n", b"data: {}\n\n", b"data: null\n\n", b"data:\n\n", b": c\n" * 100, b"\n" * 200, b"\r",
    b"event: ", b"data: [", b"]", b"[", b"\xef\xbb\xbf",
    b'data: {"error": {"message": "no", "type": "overloaded_error"}}\n\n',
    b'event: error\ndata: {"type": "error"}\n\n', b"id: 1\nretry: 0\n", b"\\ud800", b"\xff\xfe", b"{" * 300,
)  # fmt: skip
MAX_FACTOR, MAX_EXTRA = 64, 256 * 1024
"""What a stream may grow to: each of its events has a frame of its own, and some dialects repeat all at the end."""


def make(mutator: Mutator) -> bytes:
    """Make a line that says how it is read, and a stream behind it."""
    upstream = mutator.pick(list(CODECS))
    sample = mutator.pick(STREAMS[upstream])
    if mutator.random.randrange(4):
        data = b"".join(mutated(mutator, sample))[:MAX_SIZE]
    else:
        data = mutator.bytes_of(sample, ALL, words=WORDS)
    how = {
        "upstream": upstream,
        "seed": mutator.random.randrange(1 << 30),
        "include_usage": mutator.random.randrange(2) == 0,
        "as_array": mutator.random.randrange(4) == 0,
        "progress": mutator.random.randrange(4) == 0,
    }
    return dump(how) + b"\n" + data


def mutated(mutator: Mutator, sample: bytes) -> list[bytes]:
    """Change the JSON inside of some frames, repeat, drop and move others."""
    lines = sample.splitlines(keepends=True)
    for _ in range(mutator.random.randint(1, 5)):
        at = mutator.random.randrange(len(lines))
        match mutator.random.randrange(6):
            case 0:
                lines[at : at + 1] = lines[at : at + 1] * mutator.pick((0, 2, 30))
                lines = lines or [b"\n"]
            case 1:
                lines.insert(at, lines.pop(mutator.random.randrange(len(lines))))
            case 2:
                lines.insert(at, mutator.pick(WORDS))
            case _:
                lines[at] = mutated_line(mutator, lines[at])
    return lines


def mutated_line(mutator: Mutator, line: bytes) -> bytes:
    prefix = next((p for p in (b"data: ", b",", b"[") if line.startswith(p)), b"")
    try:
        value = orjson.loads(line.removeprefix(prefix))
    except orjson.JSONDecodeError:
        return line
    return prefix + dump(mutator.json_of(value)) + (b"\n" if line.endswith(b"\n") else b"")


def check(data: bytes) -> None:
    first, _, data = data.partition(b"\n")
    how = orjson.loads(first)
    for client in CODECS:
        whole = told(client, how, [data])
        in_pieces = told(client, how, Mutator(how["seed"]).cuts(data))
        # What precedes a fault depends on the cuts, and so do comments: a run of them is one frame or several.
        assert whole.fault is not None or lines(whole.out) == lines(in_pieces.out)
        assert (whole.fault is None) == (in_pieces.fault is None)
        assert whole.stream.usage == in_pieces.stream.usage or whole.fault is not None


def lines(out: bytes) -> list[bytes]:
    """Give the lines that say anything."""
    return [line for line in out.splitlines() if line and not line.startswith(b":")]


class Told:
    """What a client was told of one reply."""

    def __init__(self, stream: Stream, out: bytes) -> None:
        self.stream, self.out, self.fault = stream, out, stream.fault


def told(client: str, how: dict[str, object], pieces: list[bytes]) -> Told:
    upstream, as_array = str(how["upstream"]), bool(how["as_array"]) and client == "gemini"
    ends: list[bytes] = []
    stream = Stream(
        client, upstream, model="m", hides_usage=not how["include_usage"], created=1, as_array=as_array, reply_id="r",
        ended=ends.append, elapsed=(lambda: 0.5) if how["progress"] else None, follows=True,
    )  # fmt: skip
    out = bytearray()
    for piece in pieces:
        for part in stream.pieces(piece):
            out += stream.feed(part)
    out += stream.finish()
    if stream.fault is not None:
        out += stream.fail(Fault("cut", "the test ends it"))
        assert stream.feed(b"data: {}\n\n") == stream.finish() == stream.fail(Fault("cut", "again")) == b""
    assert len(out) <= MAX_FACTOR * sum(map(len, pieces)) + MAX_EXTRA
    if client != upstream:
        check_readable(client, bytes(out), failed=stream.fault is not None)
    return Told(stream, bytes(out))


def check_readable(client: str, out: bytes, *, failed: bool) -> None:
    """Read what was written as the client's own dialect."""
    back = Stream(client, client, model="m")
    back.feed(out)
    back.finish()
    if not failed:
        assert back.fault is None, f"{client} cannot read its own stream: {back.fault}"


def test_streams() -> None:
    fuzz("streams", make, check)
