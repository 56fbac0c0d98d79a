"""Translation by way of the form: each dialect reads into it and writes out of it, and knows no other dialect."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from omniroute.dialects.claude import read_request as claude_requests_in
from omniroute.dialects.claude import reply as claude_replies
from omniroute.dialects.claude import stream as claude_streams
from omniroute.dialects.claude import write_request as claude_requests_out
from omniroute.dialects.dialect import NOTHING, UNREADABLE, FrameSignal
from omniroute.dialects.gemini import read_request as gemini_requests_in
from omniroute.dialects.gemini import read_stream as gemini_streams_in
from omniroute.dialects.gemini import reply as gemini_replies
from omniroute.dialects.gemini import write_request as gemini_requests_out
from omniroute.dialects.gemini import write_stream as gemini_streams_out
from omniroute.dialects.ir import (
    Begin,
    Body,
    Event,
    Fault,
    Finish,
    Native,
    PartCite,
    PartDelta,
    PartStart,
    PartStop,
    Reply,
    Request,
    ToolCall,
)
from omniroute.dialects.losses import Losses, WrittenRequest
from omniroute.dialects.message_repair import pair_tool_results
from omniroute.dialects.openai import read_request as openai_requests_in
from omniroute.dialects.openai import read_stream as openai_streams_in
from omniroute.dialects.openai import reply as openai_replies
from omniroute.dialects.openai import write_request as openai_requests_out
from omniroute.dialects.openai import write_stream as openai_streams_out
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.responses import read_request as responses_requests_in
from omniroute.dialects.responses import read_stream as responses_streams_in
from omniroute.dialects.responses import reply as responses_replies
from omniroute.dialects.responses import write_request as responses_requests_out
from omniroute.dialects.responses import write_stream as responses_streams_out
from omniroute.dialects.resume_overlap import ResumableText
from omniroute.dialects.sse import Frame
from omniroute.dialects.validate import refuse
from omniroute.errors import BadRequest

__all__ = ["PAIRS", "Translator", "WrittenRequest", "translate_reply", "translate_request"]

NO_NAMES: Mapping[str, str] = MappingProxyType({})


class WriteRequest(Protocol):
    def __call__(self, request: Request, *, max_output: int | None = None) -> WrittenRequest: ...


class WriteReply(Protocol):
    def __call__(self, reply: Reply, *, model: str, created: int = 0) -> Body: ...


class Reader(Protocol):
    """Takes the frames of a reply, and its end; gives events in the order of the form."""

    def feed(self, frame: Frame) -> list[Event]: ...
    def finish(self) -> list[Event]: ...


class Writer(Protocol):
    """Takes events in the order of the form; gives bytes. `fail` ends instead of the events, wherever they are.

    `follow` takes what was said to the client without it, so that what it writes next fits on: ids, numbers, places.
    """

    def write(self, event: Event) -> bytes: ...
    def fail(self, fault: Fault) -> bytes: ...
    def follow(self, said: Body) -> None: ...


class MakeWriter(Protocol):
    def __call__(self, *, model: str, include_usage: bool = False, created: int = 0) -> Writer: ...


@dataclass(frozen=True, slots=True)
class DialectCodec:
    """One dialect's way into the form and out of it."""

    read_request: Callable[[Body], Request]
    write_request: WriteRequest
    read_reply: Callable[[Body], Reply]
    write_reply: WriteReply
    reader: Callable[[], Reader]
    writer: MakeWriter
    fields: Mapping[str, str]
    """What the dialect calls those fields of the form that have another name there."""


CODECS = {
    "openai": DialectCodec(
        openai_requests_in.read_request,
        openai_requests_out.write_request,
        openai_replies.read_reply,
        openai_replies.write_reply,
        openai_streams_in.Reader,
        openai_streams_out.Writer,
        {
            "parallel": "parallel_tool_calls",
            "format": "response_format",
            "thinking": "reasoning_effort",
            "max_output": "max_tokens",
        },
    ),
    "claude": DialectCodec(
        claude_requests_in.read_request,
        claude_requests_out.write_request,
        claude_replies.read_reply,
        claude_replies.write_reply,
        claude_streams.Reader,
        claude_streams.Writer,
        {
            "parallel": "tool_choice.disable_parallel_tool_use",
            "format": "output_config.format",
            "max_output": "max_tokens",
            "stop": "stop_sequences",
            "user": "metadata.user_id",
        },
    ),
    "responses": DialectCodec(
        responses_requests_in.read_request,
        responses_requests_out.write_request,
        responses_replies.read_reply,
        responses_replies.write_reply,
        responses_streams_in.Reader,
        responses_streams_out.Writer,
        {
            "messages": "input",
            "parallel": "parallel_tool_calls",
            "format": "text.format",
            "thinking": "reasoning.effort",
            "logprobs": "include",
            "max_output": "max_output_tokens",
            "verbosity": "text.verbosity",
        },
    ),
    "gemini": DialectCodec(
        gemini_requests_in.read_request,
        gemini_requests_out.write_request,
        gemini_replies.read_reply,
        gemini_replies.write_reply,
        gemini_streams_in.Reader,
        gemini_streams_out.Writer,
        {
            "messages": "contents",
            "tool_choice": "toolConfig",
            "max_output": "generationConfig.maxOutputTokens",
            "temperature": "generationConfig.temperature",
            "top_p": "generationConfig.topP",
            "stop": "generationConfig.stopSequences",
            "thinking": "generationConfig.thinkingConfig",
            "format": "generationConfig.responseSchema",
            **{name: f"generationConfig.{key}" for key, (name, _) in gemini_requests_in.TUNING.items()},
        },
    ),
}

PAIRS = frozenset(itertools.permutations(CODECS, 2))
"""(client, upstream) of what can be translated."""


def translate_request(
    client: str, upstream: str, body: Body, *, model: str, stream: bool, max_output: int | None
) -> WrittenRequest:
    """Say a client's request as the upstream takes it.

    BadRequest names the field that is not as the client's dialect promises, or that cannot be said and must
    not be lost.
    """
    request = replace(CODECS[client].read_request(body), model=model, stream=stream)
    fields = CODECS[client].fields
    losses = Losses()
    try:
        written = CODECS[upstream].write_request(pair_tool_results(request, losses), max_output=max_output)
    except BadRequest as refused:
        if (param := refused.param) is None or param not in fields:
            raise
        why = refused.message.removeprefix(f"{param} ")
        raise refuse(fields[param], why, code=refused.code) from None
    names = {**request.names, **{sent: request.names.get(name, name) for sent, name in written.names.items()}}
    dropped = dict.fromkeys(_rename(name, fields) for name in (*losses.names, *written.dropped))
    return replace(written, dropped=tuple(dropped), names=names)


def _rename(name: str, fields: Mapping[str, str]) -> str:
    head, dot, tail = name.partition(".")
    return fields.get(head, head) + dot + tail


def _read[Wire, Form](read: Callable[[Wire], Form], wire: Wire) -> Form:
    """Make whatever a reader stumbles over one ValueError."""
    try:
        return read(wire)
    except ValueError:
        raise
    except UNREADABLE as exc:
        raise ValueError(f"a field has another shape than in this dialect: {exc}") from exc


def translate_reply(
    client: str,
    upstream: str,
    body: Body,
    *,
    model: str,
    names: Mapping[str, str] = NO_NAMES,
    created: int = 0,
    reply_id: str | None = None,
) -> Body:
    """Say an upstream's whole reply as the client reads it; ValueError for what is not the upstream's dialect."""
    reply = _read(CODECS[upstream].read_reply, body)
    parts = tuple(
        replace(part, name=names.get(part.name, part.name)) if isinstance(part, ToolCall) else part
        for part in reply.parts
        if not isinstance(part, Native) or part.dialect == client
    )
    return CODECS[client].write_reply(
        replace(reply, id=reply_id or reply.id, parts=parts), model=model, created=created
    )


class Translator:
    """An upstream's frames in, the client's bytes out.

    `names` leads from the names of tools that were sent to the client's own; `created` is the time in seconds
    that the client is told where its dialect tells one; `reply_id` stands for the upstream's own id where given.
    `as_array` is for a client of Gemini that does not ask for events. `said` hears what the client is told;
    `writer` has begun to tell it.
    """

    def __init__(
        self,
        client: str,
        upstream: str,
        *,
        model: str,
        include_usage: bool = False,
        names: Mapping[str, str] = NO_NAMES,
        created: int = 0,
        as_array: bool = False,
        reply_id: str | None = None,
        said: ResumableText | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.ending = b""
        """What the client was told as the end of its reply."""
        self._client = client
        self._reply_id = reply_id
        self._watch = DIALECTS[upstream].watch
        self._reader = CODECS[upstream].reader()
        make = gemini_streams_out.ArrayWriter if as_array else CODECS[client].writer
        self.writer: Writer = writer or make(model=model, include_usage=include_usage, created=created)
        self.said = said
        self._names = names
        self._hidden: int | None = None
        self.ended = False
        """Whether the client has been told the end."""

    def feed(self, frame: Frame) -> tuple[bytes, FrameSignal]:
        """Take one frame; ValueError for what is not the upstream's dialect. Of a fault it only gives the sign."""
        if not frame.data:
            return b"", NOTHING
        if self.ended:
            return b"", self._after_the_end(frame)
        sign = self._watch(frame)
        if sign.fault is not None:
            return b"", sign
        return self._write(_read(self._reader.feed, frame)), sign

    def _after_the_end(self, frame: Frame) -> FrameSignal:
        """Only numbers count now: a fault changes nothing about a reply that is whole."""
        try:
            return replace(self._watch(frame), fault=None)
        except ValueError:
            return NOTHING

    def finish(self) -> bytes:
        """Take the end of the upstream's reply; ValueError for one that cannot be used.

        Of a reply that was cut nothing more is said, and it has not `ended`: `fail` is for that.
        """
        return b"" if self.ended else self._write(self._reader.finish())

    def fail(self, fault: Fault) -> bytes:
        """Close what is open and say the fault; nothing where the reply has had its end."""
        if self.ended:
            return b""
        self.ended = True
        return self.writer.fail(fault)

    def _write(self, events: Iterable[Event]) -> bytes:
        out = []
        for event in events:
            if self.said is not None:
                self.said.note(event)
            match event:
                case Begin() if self._reply_id is not None:
                    out.append(self.writer.write(replace(event, id=self._reply_id)))
                case PartStart(index=index, part=Native(dialect=dialect)) if dialect != self._client:
                    self._hidden = index
                case PartDelta(index=index) | PartCite(index=index) if index == self._hidden:
                    pass
                case PartStop(index=index) if index == self._hidden:
                    self._hidden = None
                case PartStart(part=ToolCall(name=name) as call) if name in self._names:
                    out.append(self.writer.write(replace(event, part=replace(call, name=self._names[name]))))
                case _:
                    out.append(self.writer.write(event))
            if isinstance(event, Finish):
                self.ended, self.ending = True, out[-1]
        return b"".join(out)
