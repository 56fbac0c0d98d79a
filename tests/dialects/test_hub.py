"""The door to the dialects: what passes passes untouched, and every stream has an end that can be relied on."""

import itertools
from pathlib import Path
from typing import Any

import orjson
import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects import sse, stream_framing
from omniroute.dialects.hub import Prepared, Stream, prepare, read_whole, translates
from omniroute.dialects.ir import Fault, Usage
from omniroute.dialects.json_edit import set_model
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.responses.conversation import read_end

TESTS = Path(__file__).parents[1]
CAPTURES = TESTS.parents[1] / "shared" / "wire"
STREAMS = {path.name: path.read_bytes() for path in sorted((TESTS / "wire").glob("*")) if "-whole" not in path.name}
WHOLE = {path.name: path.read_bytes() for path in sorted((TESTS / "wire").glob("*-whole.json"))}
NAMES = st.sampled_from(sorted(STREAMS))
CUTS = st.lists(st.integers(0, 5000), max_size=6)
GAVE_UP = Fault("deadline", "nothing came for a while")


def run(name: str, pieces: list[bytes], *, hides_usage: bool = False) -> tuple[Stream, bytes]:
    dialect = name.partition("-")[0]
    stream = Stream(dialect, dialect, model="m", hides_usage=hides_usage)
    out = b"".join(stream.feed(piece) for piece in pieces)
    return stream, out + stream.finish()


def signs(stream: Stream) -> tuple[bool, bool, Fault | None, Usage]:
    return stream.content, stream.done, stream.fault, stream.usage


def cut(wire: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(i, len(wire)) for i in at), len(wire)]
    return [wire[a:b] for a, b in itertools.pairwise(edges)]


def captures(pattern: str) -> list[Path]:
    return sorted(CAPTURES.glob(pattern)) or [Path("absent")]


def present(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"THE CAPTURED TRAFFIC OF REAL CLIENTS IS ABSENT: {CAPTURES}")
    return path


@every("name", STREAMS)
def test_a_good_stream_passes_byte_for_byte(name: str) -> None:
    stream, out = run(name, [STREAMS[name]])
    assert out == STREAMS[name]
    assert stream.content
    assert stream.done
    assert stream.fault is None
    assert stream.usage.input


JUNK = st.sampled_from(
    [
        b"",
        b"\n\n",
        b"\n\ndata: {oops\n\n",
        b"\n\ndata: []\n\n",
        b'\n\ndata: {"error":{"message":"x"}}\n\ndata: {"after":1}\n\n',
        b'\n\ndata: {"type":3}\n\n',
        b"\r\n\r\n: hm\r\n\r\n",
        b"<html>",
        b"\xc3",
        b"]",
        b",{}",
    ]
)


@given(NAMES, st.integers(0, 5000), JUNK, CUTS, st.booleans())
def test_cuts_change_neither_bytes_nor_signs(name: str, end: int, junk: bytes, cuts: list[int], hides: bool) -> None:
    wire = STREAMS[name][:end] + junk
    whole, said = run(name, [wire], hides_usage=hides)
    pieces, said_in_pieces = run(name, cut(wire, cuts), hides_usage=hides)
    assert said_in_pieces == said
    assert signs(pieces) == signs(whole)


@given(NAMES, st.integers(0, 5000), JUNK)
def test_every_stream_ends_whole_or_with_a_fault(name: str, end: int, junk: bytes) -> None:
    wire = STREAMS[name][:end] + junk
    stream, out = run(name, [wire])
    assert stream.done or stream.fault
    # Junk behind the end is left out, and so are comments for clients of Gemini.
    assert stream.done or wire.startswith(out) or wire.replace(b": hm\r\n", b"").startswith(out)
    assert stream.feed(b"data: more\n\n") == b"" or stream.fault is None


@given(st.sampled_from(sorted(DIALECTS)), st.lists(st.binary(max_size=30), max_size=5))
def test_junk_is_never_content(dialect: str, pieces: list[bytes]) -> None:
    stream, _ = run(dialect, pieces)
    assert not stream.content
    assert stream.fault or b"[DONE]" in b"".join(pieces)


@every(
    ("name", "wire", "kind"),
    [
        ("openai", b"", "empty"),
        ("openai", b": waiting\n\n: waiting\n\n", "empty"),
        ("gemini", b"[]", "empty"),
        ("openai", b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n', "cut"),
        ("openai", b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', "cut"),
        ("openai", b'data: {"cho', "cut"),
        ("claude", b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n', "cut"),
        ("gemini", b'[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}', "cut"),
        ("openai", b"data: hello\n\n", "garbage"),
        ("claude", b"data: [DONE]\n\n", "garbage"),
        ("openai", b"<html><title>Log in</title></html>", "garbage"),
        ("openai", b'{"choices":[]}', "garbage"),
        ("openai", b'{"error":{"message":"x","type":"server_error"}}', "server_error"),
        ("claude", b'\n{\n "type":"error",\n "error":{"type":"overloaded_error","message":"x"}\n}', "overloaded_error"),
        ("gemini", b'{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}', "RESOURCE_EXHAUSTED"),
        ("gemini", b'[{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}]', "RESOURCE_EXHAUSTED"),
        ("openai", b'{"detail":"x"}', "error"),
    ],
)
def test_a_stream_that_never_was_one(name: str, wire: bytes, kind: str) -> None:
    stream, _ = run(name, [wire])
    assert stream.fault is not None
    assert stream.fault.kind == kind
    assert not stream.done


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("openai", b"data: [DONE]\n\n"),
        ("openai", b'data: {"choices":[{"delta":{"content":""},"finish_reason":"stop"}]}\n\n'),
        ("claude", b'data: {"type":"message_stop"}\n\n'),
        ("gemini", b'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n'),
    ],
)
def test_a_whole_reply_without_content_is_no_fault(name: str, wire: bytes) -> None:
    stream, out = run(name, [wire])
    assert signs(stream) == (False, True, None, Usage())
    assert out == wire


def test_the_last_frame_may_lack_its_end() -> None:
    wire = STREAMS["openai-text.sse"].rstrip(b"\n")
    stream, out = run("openai", [wire])
    assert out == wire
    assert stream.fault is None


def test_half_a_frame_behind_the_end_is_dropped() -> None:
    stream, out = run("openai", [STREAMS["openai-text.sse"] + b'data: {"id'])
    assert stream.fault is None
    assert out == STREAMS["openai-text.sse"]


def test_nothing_is_given_after_a_fault() -> None:
    before, after = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', b"data: [DONE]\n\n"
    stream = Stream("openai", "openai", model="m")
    assert stream.feed(before + b'data: {"error":{"message":"x"}}\n\n' + after) == before
    assert stream.feed(after) == stream.finish() == b""
    assert stream.content
    assert not stream.done


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_usage_chunk_that_nobody_asked_for_is_hidden(end: str) -> None:
    wire = STREAMS["openai-text.sse"].replace(b"\n", end.encode())
    frames = wire.split((end * 2).encode())
    hidden = [frame for frame in frames if b'"choices":[]' not in frame]
    assert len(hidden) == len(frames) - 1
    for pieces in ([wire], [wire[i : i + 1] for i in range(len(wire))]):
        stream, out = run("openai", pieces, hides_usage=True)
        assert out == (end * 2).encode().join(hidden)
        assert stream.usage == Usage(input=120, output=17, cache_read=64, reasoning=5)


def test_a_usage_chunk_with_choices_is_not_hidden() -> None:
    wire = b'data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n'
    assert run("openai", [wire], hides_usage=True)[1] == wire


@pytest.mark.parametrize("name", ["openai-text.sse", "claude-text.sse", "responses-thinking-text-tool.sse"])
def test_comments_pass(name: str) -> None:
    wire = b": waiting\n\n" + STREAMS[name].replace(b"\n\n", b"\n: still\n\n", 1)
    assert run(name, [wire])[1] == wire


def test_comments_do_not_reach_gemini_clients() -> None:
    said = STREAMS["gemini-thinking-text-tool.sse"]
    for end in (b"\n", b"\r\n", b"\r"):
        clean = said.replace(b"\r\n", end)
        wire = b": waiting" + end + end + clean.replace(end + end, end + b": still" + end + end)
        stream, out = run("gemini", [wire])
        assert out == clean
        assert stream.done


@pytest.mark.parametrize(("module", "limit"), [(sse, "MAX_LINE"), (stream_framing, "MAX_STRAY")])
def test_an_endless_frame_is_garbage_and_not_memory(module: Any, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, limit, 1000)
    monkeypatch.setattr("omniroute.dialects.hub.MAX_STRAY", 1000)
    stream = Stream("openai", "openai", model="m")
    stream.feed(b'data: {"' if limit == "MAX_LINE" else b"<title>no</title>")
    fed = next(n for n in itertools.count() if stream.feed(b"x" * 100) or stream.fault)
    assert fed <= 10
    assert stream.fault is not None
    assert stream.fault.kind == "garbage"


@every("name", STREAMS)
@every("at", [0.3, 0.6, 0.9])
def test_giving_up_is_said_once_and_can_be_read(name: str, at: float) -> None:
    wire, dialect = STREAMS[name], name.partition("-")[0]
    stream, out = run(name, [wire[: int(len(wire) * at)]])
    said = stream.fail(GAVE_UP)
    assert stream.fail(GAVE_UP) == b""
    assert stream.feed(wire) == stream.finish() == b""
    reading, _ = run(dialect, [out + said])
    assert reading.fault is not None
    assert reading.fault.message == GAVE_UP.message
    if "array" in name:
        assert orjson.loads(out + said)[-1]["error"]["message"] == GAVE_UP.message


def test_giving_up_closes_a_frame_that_lacks_its_end() -> None:
    stream, out = run("openai", [b'data: {"choices":[{"delta":{"content":"a"}}]}'])
    assert stream.content
    reading, _ = run("openai", [out + stream.fail(GAVE_UP)])
    assert (reading.content, reading.fault and reading.fault.message) == (True, GAVE_UP.message)


def test_giving_up_before_the_first_element_makes_a_whole_array() -> None:
    stream = Stream("gemini", "gemini", model="m")
    assert stream.feed(b"[") == b""
    assert orjson.loads(stream.fail(GAVE_UP))[0]["error"]["message"] == GAVE_UP.message


@every("path", captures("answers/*.sse.txt"), ids=lambda path: path.stem)
def test_answers_that_real_clients_took_pass_untouched(path: Path) -> None:
    words = {"anthropic": "claude", "chat": "openai"}
    word = present(path).name.partition("-")[0]
    wire = path.read_bytes()
    stream, out = run(words.get(word, word), [wire])
    assert out == wire
    assert (stream.content, stream.done, stream.fault) == (True, True, None)
    assert None not in (stream.usage.input, stream.usage.output)


@every("path", captures("*/*.json"), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_bodies_of_real_clients_change_only_their_model(path: Path) -> None:
    body = orjson.loads(present(path).read_bytes()).get("body")
    if not isinstance(body, dict):
        pytest.skip("a request without a JSON object")
    raw = orjson.dumps(body)
    patched = set_model(raw, body, "other/name")
    assert orjson.loads(patched) == (body | {"model": "other/name"} if "model" in body else body)
    assert len(patched) - len(raw) == (len("other/name") - len(body["model"].encode()) if "model" in body else 0)


# Requests


def ready(client: str, upstream: str, body: dict[str, Any], *, stream: bool = True, asks: bool = True) -> Prepared:
    raw = orjson.dumps(body)
    return prepare(client, upstream, raw, body, model="new", stream=stream, stream_usage=asks, max_output=None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_request_of_the_same_dialect_is_only_renamed(dialect: str) -> None:
    body = {"model": "old", "stream": False, "what": [{"model": "old"}]}
    assert ready(dialect, dialect, body, stream=False) == Prepared(orjson.dumps(body | {"model": "new"}))


@every(
    ("options", "sent", "hides"),
    [
        ({}, {"stream_options": {"include_usage": True}}, True),
        ({"stream_options": None}, {"stream_options": {"include_usage": True}}, True),
        ({"stream_options": {"include_usage": False}}, {"stream_options": {"include_usage": True}}, True),
        ({"stream_options": {"a": 1}}, {"stream_options": {"a": 1, "include_usage": True}}, True),
        ({"stream_options": {"include_usage": True}}, {"stream_options": {"include_usage": True}}, False),
        ({"stream_options": "odd"}, {"stream_options": "odd"}, False),
    ],
)
def test_usage_is_asked_for_and_hidden_where_the_client_does_not_ask(
    options: dict[str, Any], sent: dict[str, Any], hides: bool
) -> None:
    body = {"model": "old", "messages": []} | options
    prepared = ready("openai", "openai", body)
    assert orjson.loads(prepared.raw) == {"model": "new", "messages": []} | sent
    assert prepared.hides_usage is hides


@pytest.mark.parametrize(("stream", "asks"), [(False, True), (True, False)])
def test_usage_is_not_asked_for_where_it_is_not_taken(stream: bool, asks: bool) -> None:
    assert ready("openai", "openai", {"model": "old"}, stream=stream, asks=asks) == Prepared(b'{"model":"new"}')


# Whole replies


@pytest.mark.parametrize("name", WHOLE)
def test_a_good_whole_reply_passes_byte_for_byte(name: str) -> None:
    dialect = name.partition("-")[0]
    whole = read_whole(dialect, dialect, b" " + WHOLE[name], model="m")
    assert whole.raw == b" " + WHOLE[name]
    assert whole.usage.input
    assert whole.content
    assert whole.fault is None


@every(
    ("raw", "kind"),
    [
        (b'{"error":{"message":"x","type":"server_error"}}', "server_error"),
        (b"<title>no</title>", "garbage"),
        (b"[1]", "garbage"),
        (b'{"hello":1}', "garbage"),
        (b"data: [DONE]\n\n", "garbage"),
        (b'{"choices":', "garbage"),
        (b"", "empty"),
    ],
)
@every("dialect", DIALECTS)
def test_what_is_no_whole_reply_is_a_fault(dialect: str, raw: bytes, kind: str) -> None:
    whole = read_whole(dialect, dialect, raw, model="m")
    assert whole.fault is not None
    assert whole.fault.kind == kind
    assert not whole.content


@given(st.sampled_from(sorted(DIALECTS)), st.sampled_from(sorted(DIALECTS)), st.binary(max_size=40))
def test_no_bytes_make_a_whole_reply_raise(client: str, upstream: str, raw: bytes) -> None:
    assert read_whole(client, upstream, raw, model="m").fault is not None


# Translation: only that the door leads there; its own tests say what it does.


def test_which_pairs_are_served() -> None:
    assert all(translates(name, name) for name in DIALECTS)
    assert translates("claude", "openai")
    assert translates("openai", "claude")


def test_a_stream_of_another_dialect_is_translated() -> None:
    stream = Stream("openai", "claude", model="m", hides_usage=True, created=7)
    out = b"".join(stream.feed(piece) for piece in cut(STREAMS["claude-text.sse"], [100, 700])) + stream.finish()
    client, said = run("openai", [out])
    assert signs(stream) == (True, True, None, Usage(input=100, output=23, cache_read=30, cache_write=20))
    assert (client.content, client.done, client.fault) == (True, True, None)
    assert said == out
    assert b'"created":7' in out
    assert b'"choices":[]' not in out


def test_a_cut_stream_of_another_dialect_ends_with_a_fault_in_the_clients() -> None:
    stream = Stream("claude", "openai", model="m")
    out = stream.feed(STREAMS["openai-text.sse"][:900]) + stream.finish()
    assert stream.fault is not None
    assert stream.fault.kind == "cut"
    client, _ = run("claude", [out + stream.fail(GAVE_UP)])
    assert client.content
    assert client.fault is not None
    assert client.fault.message == GAVE_UP.message


def test_a_whole_reply_of_another_dialect_is_translated() -> None:
    whole = read_whole("claude", "openai", WHOLE["openai-whole.json"], model="m")
    assert (whole.content, whole.fault, whole.usage.input) == (True, None, 120)
    assert orjson.loads(whole.raw)["content"] == [{"type": "text", "text": "Rain on the roof."}]


def test_a_request_for_another_dialect_is_translated() -> None:
    body = {"model": "old", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "stream": True}
    prepared = ready("claude", "openai", body | {"top_k": 3})
    assert orjson.loads(prepared.raw)["model"] == "new"
    assert orjson.loads(prepared.raw)["stream_options"] == {"include_usage": True}
    assert prepared.dropped == ("top_k",)
    assert "stream_options" not in orjson.loads(ready("claude", "openai", body, asks=False).raw)


@given(name=NAMES, at=CUTS)
def test_the_end_is_told_once_and_before_the_client_has_it(name: str, at: list[int]) -> None:
    upstream, wire = name.partition("-")[0], STREAMS[name]
    told: list[bytes] = []
    own = None if upstream == "responses" else "resp_ours"
    stream = Stream("responses", upstream, model="m", reply_id=own, ended=told.append)
    out = b""
    for piece in cut(wire, at):
        said = stream.feed(piece)
        assert told or b'"response.completed"' not in said, "a client could go on from what nobody knows yet"
        out += said
    out += stream.finish()
    assert len(told) == 1
    assert told[0] in out
    response = read_end(told[0])
    assert response
    assert response["output"]
    if own:
        assert response["id"] == own
        assert out.count(b'"id":"resp_ours"') >= 2


@given(name=NAMES, size=st.integers(0, 5000))
def test_no_end_is_told_of_a_reply_that_was_cut(name: str, size: int) -> None:
    told: list[bytes] = []
    stream = Stream("responses", name.partition("-")[0], model="m", ended=told.append)
    stream.feed(STREAMS[name][:size])
    stream.finish()
    assert bool(told) == (stream.fault is None)
