"""Streams that break off and are gone on with: each client's dialect, from each upstream to each other one."""

import itertools
import json
from typing import Any

import pytest
from cases import every

from omniroute.dialects.hub import Stream, prepare
from omniroute.dialects.ir import (
    Begin,
    Event,
    Fault,
    Finish,
    PartDelta,
    PartStart,
    PartStop,
    Reasoning,
    Text,
    ToolCall,
    Usage,
)
from omniroute.dialects.resume import CONTINUE_PROMPT, can_continue, continuation_request
from omniroute.dialects.resume_overlap import ResumableText
from omniroute.dialects.sse import Decoder
from omniroute.dialects.translate import CODECS

NAMES = sorted(CODECS)
TEXT = "Whoever reads this, 漢字 and 🙂 included, reads each word of it once, in its order, to its very end."
HALF = 60
CLIENTS: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": "hi"}], "model": "m"},
    "claude": {"messages": [{"role": "user", "content": "hi"}], "model": "m", "max_tokens": 9},
    "responses": {"input": "hi", "model": "m"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


def wire(dialect: str, text: str, *, thought: str = "", reply_id: str = "up_1") -> bytes:
    """Say a text as an upstream would."""
    events: list[Event] = [Begin(reply_id, Usage(10, 0))]
    if thought:
        events += [PartStart(0, Reasoning()), PartDelta(0, thought), PartStop(0)]
    events.append(PartStart(1, Text()))
    events += [PartDelta(1, text[at : at + 4]) for at in range(0, len(text), 4)]
    events += [PartStop(1), Finish("stop", usage=Usage(20, 7))]
    writer = CODECS[dialect].writer(model="up", include_usage=True, created=5)
    return b"".join(map(writer.write, events))


def read(dialect: str, raw: bytes) -> tuple[list[Event], list[Any]]:
    decoder, reader = Decoder(), CODECS[dialect].reader()
    frames = [frame for frame in (*decoder.feed(raw), *decoder.finish()) if frame.data]
    events = [event for frame in frames for event in reader.feed(frame)] + reader.finish()
    return events, [json.loads(frame.data) for frame in frames if frame.data != "[DONE]"]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, PartDelta))


def resume(client: str, first: str, second: str, cut: int, *, thought: str = "") -> tuple[bytes, Stream] | None:
    """Cut the first stream, and let the second repeat half of what was said; None where nothing can be gone on from."""
    one = Stream(client, first, model="m", follows=True)
    out = one.feed(wire(first, TEXT, thought=thought)[:cut]) + one.finish()
    if one.fault is None or (said := one.said) is None:
        return None
    two = Stream(client, second, model="m", resumes=one)
    assert TEXT.startswith(said)
    start = len(said) // 2 if len(said) >= HALF else len(said)
    raw = wire(second, TEXT[start:], thought=thought and "more thoughts", reply_id="up_2")
    out += b"".join(two.feed(raw[at : at + 50]) for at in range(0, len(raw), 50)) + two.finish()
    return out, two


@every("thought", ["", "hm"], ids=["text", "thinking first"])
@every(("client", "first", "second"), list(itertools.product(NAMES, repeat=3)))
def test_one_unbroken_answer_wherever_it_is_cut(client: str, first: str, second: str, thought: str) -> None:
    resumed = 0
    for cut in range(60, len(wire(first, TEXT, thought=thought)), 397):
        if (done := resume(client, first, second, cut, thought=thought)) is None:
            continue
        out, stream = done
        resumed += 1
        assert stream.fault is None
        events, bodies = read(client, out)
        texts = [event for event in events if isinstance(event, PartStart) and isinstance(event.part, Text)]
        thoughts = text_of([e for e in events if isinstance(e, PartDelta) and e.index == 0]) if thought else ""
        assert text_of(events) == (thought and thoughts) + TEXT
        assert len(texts) == 1
        assert isinstance(events[-1], Finish)
        assert sum(isinstance(event, Finish) for event in events) == 1
        if client == "responses":
            assert [body["sequence_number"] for body in bodies] == list(range(len(bodies)))
            [*_, message] = bodies[-1]["response"]["output"]
            assert message["content"][0]["text"] == TEXT
            assert {body["item_id"] for body in bodies if "output_text.delta" in body["type"]} == {message["id"]}
            assert len({body["response"]["id"] for body in bodies if "response" in body}) == 1
        if client == "openai":
            assert len({body["id"] for body in bodies}) == 1
        if client == "claude":
            assert sum(body["type"] == "message_start" for body in bodies) == 1
            started = [body["index"] for body in bodies if body["type"] == "content_block_start"]
            assert started == [body["index"] for body in bodies if body["type"] == "content_block_stop"]
    assert resumed > 3


@every(("client", "second"), list(itertools.product(NAMES, repeat=2)))
def test_a_second_failure_ends_the_same_stream(client: str, second: str) -> None:
    one = Stream(client, client, model="m", follows=True)
    raw = wire(client, TEXT)
    out = one.feed(raw[: len(raw) // 2]) + one.finish()
    two = Stream(client, second, model="m", resumes=one)
    raw = wire(second, TEXT[len(one.said or "") :])
    out += two.feed(raw[: len(raw) // 2]) + two.finish()
    assert two.fault
    out += two.fail(Fault("cut", "oh no"))
    assert b"oh no" in out
    if client == "responses":
        bodies = read_loosely(out)
        assert [body["sequence_number"] for body in bodies] == list(range(len(bodies)))


def read_loosely(raw: bytes) -> list[Any]:
    return [json.loads(frame.data) for frame in Decoder().feed(raw) if frame.data and frame.data != "[DONE]"]


@pytest.mark.parametrize("client", NAMES)
def test_numbers_are_added_and_what_is_not_known_stays_unknown(client: str) -> None:
    cut = len(wire("claude", TEXT)) // 2
    done = resume(client, "claude", "openai", cut)
    assert done
    assert done[1].known == Usage(30, None)


@every(("client", "upstream"), list(itertools.product(NAMES, repeat=2)))
def test_the_next_upstream_is_told_the_beginning(client: str, upstream: str) -> None:
    body = continuation_request(client, CLIENTS[client], "Once upon ", prefill=False)
    raw = json.dumps(body).encode()
    made = prepare(client, upstream, raw, body, model="m", stream=True, stream_usage=True, max_output=None)
    request = CODECS[upstream].read_request(json.loads(made.raw))
    assert [(turn.role, text_in(turn.parts)) for turn in request.messages] == [
        ("user", "hi"),
        ("assistant", "Once upon "),
        ("user", CONTINUE_PROMPT),
    ]


def text_in(parts: tuple[Any, ...]) -> str:
    return "".join(part.text for part in parts)


def test_claude_goes_on_from_its_own_turn() -> None:
    body = continuation_request("openai", CLIENTS["openai"], "Once upon ", prefill=True)
    made = prepare(
        "openai", "claude", b"", body, model="claude-3-5-sonnet", stream=True, stream_usage=True, max_output=None
    )
    assert json.loads(made.raw)["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Once upon"}],
    }


def test_what_is_no_single_text_is_not_gone_on_with() -> None:
    plain = CLIENTS["openai"]
    assert can_continue("openai", plain)
    assert not can_continue("openai", plain | {"response_format": {"type": "json_object"}})
    assert not can_continue("openai", plain | {"n": 2})
    assert not can_continue("openai", plain | {"logprobs": True})
    assert not can_continue("openai", {"messages": 5})


@pytest.mark.parametrize("client", NAMES)
def test_who_does_not_follow_gives_nothing_to_go_on_from(client: str) -> None:
    stream = Stream(client, client, model="m")
    stream.feed(wire(client, TEXT)[:-200])
    assert stream.said is None


@pytest.mark.parametrize(
    ("events", "obstacle"),
    [
        ([Begin("1", Usage())], "it had no text yet"),
        ([PartStart(0, Reasoning()), PartDelta(0, "I think so")], "it had no text yet"),
        ([PartStart(0, Text()), PartDelta(0, "abc")], "fewer than 4 characters"),
        ([PartStart(0, Text()), PartDelta(0, "abcd"), PartStop(0)], "its text had ended"),
        ([PartStart(0, Text()), PartDelta(0, "abcd"), PartStart(1, ToolCall("1", "look"))], "not plain text"),
        ([PartStart(0, Text()), PartDelta(0, "abcd")], None),
    ],
)
def test_the_obstacle_to_resuming_has_a_name(events: list[Event], obstacle: str | None) -> None:
    said = ResumableText()
    for event in events:
        said.note(event)
    assert said.goes_on == (obstacle is None)
    assert (obstacle or "") in (said.obstacle or "")
