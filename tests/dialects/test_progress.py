"""Progress between the frames of a stream: in the right places, with true numbers, and nothing else changed."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import pieces, replies, write_stream

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Reply, Text, Usage

DIALECTS = ("openai", "claude", "responses", "gemini")
SAID = re.compile(rb"event: progress\ndata: ([^\n]*)\n\n")
ENDS = {
    "openai": (b"data: [DONE]",),
    "claude": (b"event: message_stop",),
    "responses": (b"event: response.completed", b"event: response.incomplete"),
}


def run(client: str, upstream: str, chunks: list[bytes], *, progress: bool = True, beats: bool = False) -> bytes:
    """Give what the client gets; with `beats`, something is due after each chunk."""
    stream = Stream(client, upstream, model="m", elapsed=(lambda: 1.5) if progress else None)
    out = b""
    for chunk in chunks:
        out += stream.feed(chunk)
        if beats and stream.progress and out and not stream.done:
            out += stream.progress.say()
    out += stream.finish()
    assert stream.fault is None
    return out


def told(wire: bytes) -> list[dict[str, Any]]:
    return [json.loads(data) for data in SAID.findall(wire)]


@pytest.mark.parametrize("client", ENDS)
@pytest.mark.parametrize("upstream", DIALECTS)
@given(replies(), st.integers(1, 40), st.booleans())
def test_all_but_the_messages_is_as_without_them(
    client: str, upstream: str, reply: Reply, size: int, beats: bool
) -> None:
    wire = write_stream(upstream, pieces(reply, 3))
    chunks = [wire[i : i + size * 16] for i in range(0, len(wire), size * 16)]
    out = run(client, upstream, chunks, beats=beats)
    assert SAID.sub(b"", out) == run(client, upstream, chunks, progress=False)
    *others, last = told(out)
    assert (last["done"], last["elapsed_ms"]) == (True, 1500)
    assert not any(one["done"] for one in others)
    before, _, after = out.rpartition(b"event: progress\n")
    assert not before or before.endswith(b"\n\n")
    assert after.split(b"\n\n", 1)[1].startswith(ENDS[client])
    assert after.count(b"\n\n") == 2
    if reply.usage.output is not None:
        assert last["tokens_generated"] == reply.usage.output
        assert "estimated" not in last


@pytest.mark.parametrize("upstream", DIALECTS)
def test_before_the_provider_counts_it_is_estimated(upstream: str) -> None:
    reply = Reply("id", (Text("word" * 50),), "stop", usage=Usage(input=1, output=7))
    wire = write_stream(upstream, pieces(reply, 10))
    half = wire[: wire.rindex(b"wordword")]
    stream = Stream("openai", upstream, model="m", elapsed=lambda: 2.0)
    assert stream.progress
    assert json.loads(SAID.findall(stream.progress.say())[0])["tokens_generated"] == 0
    stream.feed(half)
    (now,) = told(stream.progress.say())
    assert 30 < now["tokens_generated"] < 51
    assert now["estimated"] is True
    (last,) = told(stream.feed(wire[len(half) :]) + stream.finish())
    assert last["tokens_generated"] == 7
    assert "estimated" not in last
    assert stream.progress.say() == b""


def test_a_stream_without_an_end_mark_has_its_last_message_at_its_end() -> None:
    wire = b'data: {"choices":[{"index":0,"delta":{"content":"hello there"},"finish_reason":"stop"}]}\n\n'
    for cut in (wire, wire.removesuffix(b"\n\n")):
        out = run("openai", "openai", [cut])
        assert out.startswith(cut)
        (last,) = told(out)
        assert (last["tokens_generated"], last["estimated"], last["done"]) == (3, True, True)


def test_lines_may_end_as_they_like() -> None:
    wire = write_stream("claude", pieces(Reply("id", (Text("hello"),), "stop", usage=Usage(output=2)), 3))
    wire = wire.replace(b"\n", b"\r\n")
    out = run("claude", "claude", [wire])
    assert SAID.sub(b"", out) == wire
    assert out.rpartition(b"event: progress\n")[2].split(b"\n\n", 1)[1].startswith(b"event: message_stop\r\n")


def test_a_broken_stream_is_never_said_to_be_done() -> None:
    stream = Stream("claude", "claude", model="m", elapsed=lambda: 1.0)
    wire = write_stream("claude", pieces(Reply("id", (Text("hello"),), "stop", usage=Usage(output=2)), 3))
    out = stream.feed(wire[: len(wire) // 2]) + stream.finish()
    assert stream.fault
    assert b"progress" not in out + stream.fail(stream.fault)


@pytest.mark.parametrize("upstream", DIALECTS)
def test_gemini_has_no_words_for_it(upstream: str) -> None:
    assert Stream("gemini", upstream, model="m", elapsed=lambda: 1.0).progress is None
