"""What the tests of translation share: made-up conversations, streams cut in pieces, and the SDKs as judges."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message as ClaudeMessage
from anthropic.types import RawMessageStreamEvent
from anthropic.types import message_create_params as claude_params
from anthropic.types.content_block_param import ContentBlockParam
from anthropic.types.message_param import MessageParam
from anthropic.types.tool_param import ToolParam
from google.genai import types as gemini_types
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionContentPartParam,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from openai.types.chat import completion_create_params as openai_params
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from omniroute.dialects import sse
from omniroute.dialects.fold import fold, unfold
from omniroute.dialects.ir import (
    Event,
    PartDelta,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    Usage,
)
from omniroute.dialects.translate import CODECS, Translator

OTHER = {"openai": "claude", "claude": "openai"}
MODELS = {"openai": "gpt-5.1", "claude": "claude-sonnet-4-5", "responses": "gpt-5.1"}

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12
).filter(lambda text: text.strip() == text)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
INPUTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
DATA = st.sampled_from(["AAAA", "iVBORw0KGgo=", "Zm9v"])


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Replies, as the form has them. Text stands before calls: that is what both dialects can say in whole replies.


@st.composite
def replies(draw: st.DrawFn, *, signed: bool = True, refusals: bool = True) -> Reply:
    parts: list[Any] = []
    if draw(st.booleans()):
        signature = draw(st.none() | st.just("c2lnbg==")) if signed else None
        parts.append(Reasoning(draw(WORDS), signature, origin="claude" if signature else None))
    if draw(st.booleans()):
        parts.append(Text(draw(WORDS)))
    elif refusals and draw(st.booleans()):
        parts.append(Refusal(draw(WORDS)))
    inputs = draw(st.lists(st.tuples(NAMES, INPUTS), max_size=3))
    calls = [ToolCall(f"call_{i}", name, compact(given)) for i, (name, given) in enumerate(inputs)]
    reason = draw(st.sampled_from(["tool_calls", "length"] if calls else ["stop", "length"]))
    if any(isinstance(part, Refusal) for part in parts) and reason == "stop":
        reason = "filter"
    read, written = draw(st.integers(0, 50)), draw(st.integers(0, 50))
    output = draw(st.integers(0, 99))
    usage = Usage(read + written + draw(st.integers(0, 99)), output, read, written, draw(st.integers(0, output)))
    return Reply("msg_1", (*parts, *calls), reason, usage=usage)


def pieces(reply: Reply, size: int) -> list[Event]:
    """Say a reply as a stream whose texts come in pieces of so many characters."""
    events: list[Event] = []
    for event in unfold(reply):
        if isinstance(event, PartDelta):
            events += [replace(event, text=event.text[i : i + size]) for i in range(0, len(event.text), size)]
        else:
            events.append(event)
    return events


def write_stream(dialect: str, events: Iterable[Event]) -> bytes:
    """Say events as an upstream of this dialect does."""
    writer = CODECS[dialect].writer(model="upstream-model", include_usage=True)
    return b"".join(map(writer.write, events))


def run(client: str, upstream: str, chunks: Iterable[bytes], names: Mapping[str, str] | None = None) -> bytes:
    """Translate a stream that comes in these chunks."""
    translator = Translator(client, upstream, model="the-model", include_usage=True, names=names or {})
    decoder = sse.Decoder()
    out = b""
    for chunk in chunks:
        for frame in decoder.feed(chunk):
            out += translator.feed(frame)[0]
    for frame in decoder.finish():
        out += translator.feed(frame)[0]
    return out + translator.finish()


def read_stream(dialect: str, wire: bytes) -> Reply:
    """Fold a stream of this dialect with our own reader."""
    reader = CODECS[dialect].reader()
    events = [event for frame in frames(wire) for event in reader.feed(frame)]
    return fold([*events, *reader.finish()])


def frames(wire: bytes) -> list[sse.Frame]:
    """Give what is said; an error of Gemini stands outside of any event."""
    decoder = sse.Decoder()
    said = [*decoder.feed(wire), *decoder.finish()]
    bare = [sse.Frame(None, frame.raw.decode(), frame.raw) for frame in said[-1:] if frame.raw.startswith(b"{")]
    return [frame for frame in said if frame.data] + bare


# The SDKs as judges: they were written by others, against the real services.

CLAUDE_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
RESPONSES_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
"""Made once, here: it takes longer than a test of a law may."""


def judge_reply(dialect: str, body: dict[str, Any]) -> Any:
    if dialect == "gemini":  # its words and bytes are strings on the wire, which strict types would not take
        return gemini_types.GenerateContentResponse.model_validate(body)
    kind: Any = {"openai": ChatCompletion, "claude": ClaudeMessage, "responses": Response}[dialect]
    return kind.model_validate(body, strict=True)


def judge_stream(dialect: str, wire: bytes) -> Any:
    """Let the SDK put a stream together, each event strictly of its type."""
    judges = {
        "openai": _judge_chunks,
        "claude": _judge_events,
        "responses": _judge_responses,
        "gemini": _judge_partial_replies,
    }
    return judges[dialect](wire)


def _judge_partial_replies(wire: bytes) -> Any:
    """Join the parts of a stream of Gemini; whatever is not plain `data:` lines breaks its clients."""
    assert all(line.startswith(b"data: {") for line in wire.split(b"\n\n") if line)
    *said, last = [judge_reply("gemini", json.loads(frame.data)) for frame in frames(wire)]
    assert last.candidates[0].finish_reason is not None
    parts = [part for reply in said for part in reply.candidates[0].content.parts]
    last.candidates[0].content.parts = parts
    return last


def _judge_chunks(wire: bytes) -> Any:
    state: Any = ChatCompletionStreamState()
    *said, last = frames(wire)
    assert last.data == "[DONE]"
    for frame in said:
        state.handle_chunk(ChatCompletionChunk.model_validate(json.loads(frame.data), strict=True))
    return state.current_completion_snapshot


def _judge_events(wire: bytes) -> Any:
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for frame in frames(wire):
        body = json.loads(frame.data)
        assert frame.event == body["type"]
        event = CLAUDE_EVENT.validate_python(body, strict=True)
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    assert body["type"] == "message_stop"
    return snapshot


def _judge_responses(wire: bytes) -> Any:
    state: Any = ResponseStreamState(input_tools=[], text_format=omit)
    for number, frame in enumerate(frames(wire)):
        body = json.loads(frame.data)
        assert (frame.event, body["sequence_number"]) == (body["type"], number)
        state.handle_event(RESPONSES_EVENT.validate_python(body, strict=True))
    # The helper gives no final response for one that is incomplete, so the last event is judged itself.
    assert body["type"] in {"response.completed", "response.incomplete"}
    return Response.model_validate(body["response"], strict=True)


def judge_request(dialect: str, body: dict[str, Any]) -> None:
    """Hold a request against the SDK's parameters: their types, and no field that they do not have."""
    params = PARAMS[dialect]
    assert set(body) <= set(params.__annotations__) | OLDER[dialect], set(body) - set(params.__annotations__)
    # What is only iterable is judged lazily, so the messages are held against their own type, one by one.
    ADAPTERS[dialect][0].validate_python(body | {"stream": True, "messages": []})
    for said in body["messages"]:
        content = said.get("content")
        blocks = content if isinstance(content, list) else []
        ADAPTERS[dialect][1].validate_python(said)
        for block in blocks:
            ADAPTERS[dialect][2].validate_python(block)
    for tool in body.get("tools", []):
        ADAPTERS[dialect][3].validate_python(tool)


PARAMS: dict[str, Any] = {
    "openai": openai_params.CompletionCreateParamsStreaming,
    "claude": claude_params.MessageCreateParamsStreaming,
}
# Claude's newest models take no sampling, so their SDK has forgotten it; the models before them do take it.
OLDER: dict[str, set[str]] = {"openai": set(), "claude": {"temperature", "top_p", "top_k"}}
KINDS: dict[str, tuple[Any, ...]] = {
    "openai": (ChatCompletionMessageParam, ChatCompletionContentPartParam, ChatCompletionToolParam),
    "claude": (MessageParam, ContentBlockParam, ToolParam),
}
ADAPTERS = {name: [TypeAdapter(kind) for kind in (PARAMS[name], *KINDS[name])] for name in PARAMS}
