"""Reader and writer for Anthropic Messages streams: frames -> events, events -> frames."""

from dataclasses import replace
from typing import Any, assert_never

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.claude.errors import write_fault
from omniroute.dialects.claude.reply import (
    is_sealed,
    read_citation,
    read_note,
    read_part,
    read_reason,
    read_usage,
    write_citation,
    write_end,
    write_part,
    write_usage,
)
from omniroute.dialects.content_blocks import ContentBlocks
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
    Reason,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)
from omniroute.dialects.json_edit import dump, load_object
from omniroute.dialects.sse import Frame
from omniroute.dialects.token_usage import merge
from omniroute.dialects.tool_names import derive_id

PIECES = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class Reader:
    """Converter from frames to events. `Finish` waits for `message_stop`, as usage may still change before it."""

    def __init__(self) -> None:
        self._blocks = ContentBlocks()
        self._begun = False
        self._ended = False
        self._usage = Usage()
        self._reason: Reason | None = None
        self._stop_sequence: str | None = None
        self._note: str | None = None
        self._signatures: dict[int, list[str]] = {}
        self._given: dict[int, str] = {}
        """Text, thinking or input given at the start of a block, used unless deltas replace it."""
        self._called = False

    def feed(self, frame: Frame) -> list[Event]:
        """Read one frame. Raise ValueError if it does not follow the dialect."""
        if self._ended or not frame.data:
            return []
        event = load_object(frame.data)
        match event.get("type"):
            case "message_start":
                message = _object(event, "message")
                self._usage = read_usage(message.get("usage")) or self._usage
                return [*self._begin(message.get("id")), *self._read_content(message.get("content") or [])]
            case "content_block_start":
                return [*self._begin(None), *self._start(_index(event), _object(event, "content_block"))]
            case "content_block_delta":
                return self._delta(_index(event), _object(event, "delta"))
            case "content_block_stop":
                return self._stop(_index(event))
            case "message_delta":
                self._read_end(event)
                return []
            case "message_stop":
                self._reason = self._reason or ("tool_calls" if self._called else "stop")
                return self.finish()
            case _:
                return []

    def finish(self) -> list[Event]:
        """Emit the end of the reply; emit nothing if the upstream sent no stop reason, as the reply was cut."""
        if self._ended or self._reason is None:
            return []
        self._ended = True
        end = Finish(self._reason, self._stop_sequence, self._note, self._usage)
        return [*self._begin(None), *self._blocks.finish(), end]

    def _begin(self, reply_id: Any) -> list[Event]:
        if self._begun:
            return []
        self._begun = True
        return [Begin(reply_id if isinstance(reply_id, str) and reply_id else None, self._usage)]

    def _read_content(self, content: list[Body]) -> list[Event]:
        """Read blocks given in `message_start`, as sent by servers that do not really stream."""
        return [e for i, block in enumerate(content) for e in (*self._start(~i, block), *self._stop(~i))]

    def _start(self, index: int, block: Body) -> list[Event]:
        events = self._stop(index) if self._blocks.holds(index) else []
        if (kind := block.get("type")) in {"text", "thinking"}:
            block = {kind: ""} | block
        part = read_part(block)
        match part:
            case Text(text=given):
                part = replace(part, text="", citations=())
            case Reasoning(text=given, signature=signature):
                if signature and part.origin:
                    self._signatures[index] = [reasoning_signatures.wrap(signature, part.origin, "claude")]
                part = replace(part, text="", signature=None, origin=part.origin if part.sealed is not None else None)
            case ToolCall(arguments=given):
                part = replace(part, arguments="")
                self._called = True
            case Native():
                given = ""
            case _:
                assert_never(part)
        if given:
            self._given[index] = given
        return events + self._blocks.start(index, part)

    def _stop(self, index: int) -> list[Event]:
        events = self._blocks.add(index, self._given.pop(index, ""))
        if not (signature := "".join(self._signatures.pop(index, ()))):
            return events + self._blocks.stop(index)
        seal, origin, _ = reasoning_signatures.unwrap(signature, "claude")
        return events + self._blocks.stop(index, seal, origin)

    def _delta(self, index: int, delta: Body) -> list[Event]:
        kind = delta.get("type")
        if kind == "signature_delta":
            self._signatures.setdefault(index, []).append(_text(delta, "signature"))
        elif kind == "citations_delta":
            citation = read_citation(delta.get("citation"))
            return [] if citation is None else self._blocks.cite(index, citation)
        elif isinstance(kind, str) and kind in PIECES and (text := _text(delta, PIECES[kind])):
            given = self._given.pop(index, "")
            return self._blocks.add(index, text if kind == "input_json_delta" else given + text)
        return []

    def _read_end(self, event: Body) -> None:
        self._usage = merge(self._usage, read_usage(event.get("usage")) or Usage())
        delta = _object(event, "delta")
        if delta.get("stop_reason") is not None:
            self._reason = read_reason(delta["stop_reason"])
            stop = delta.get("stop_sequence")
            self._stop_sequence = stop if isinstance(stop, str) else None
            self._note = read_note(delta.get("stop_details"))


class Writer:
    """Converter from events to frames. The order of the events is not checked."""

    def __init__(self, *, model: str, include_usage: bool = False, created: int = 0) -> None:
        self._model = model
        self._open: int | None = None
        self._count = 0
        self._piece = ("text_delta", "text")
        self._answered = False
        self._held = b""
        """Redacted reasoning that follows a part of the answer; written before the next part, or dropped at the end."""

    def write(self, event: Event) -> bytes:
        match event:
            case Begin(id=reply_id, usage=usage):
                message: Body = {"id": reply_id or derive_id("msg_", self._model), "type": "message"}
                message |= {"role": "assistant", "model": self._model, "content": []}
                message |= {"stop_reason": None, "stop_sequence": None, "usage": write_usage(usage)}
                return _frame("message_start", {"message": message})
            case PartStart(part=part):
                started = self._start(part)
                self._answered = self._answered or not isinstance(part, Reasoning)
                if is_sealed(part) and self._answered:
                    self._held += started + self._close()
                    return b""
                held, self._held = self._held, b""
                return held + started
            case PartDelta(text=text):
                kind, key = self._piece
                return self._delta({"type": kind, key: text})
            case PartCite(citation=citation):
                return self._delta({"type": "citations_delta", "citation": write_citation(citation)})
            case PartStop(signature=signature, origin=origin):
                seal = reasoning_signatures.wrap(signature, origin or "claude", "claude") if signature else ""
                signed = self._delta({"type": "signature_delta", "signature": seal}) if seal else b""
                return signed + self._close()
            case Finish(reason=reason, stop_sequence=stop_sequence, note=note, usage=usage):
                end = {"delta": write_end(reason, stop_sequence, note), "usage": write_usage(usage)}
                return _frame("message_delta", end) + _frame("message_stop", {})
            case _:
                assert_never(event)

    def _start(self, part: Text | Refusal | Reasoning | ToolCall | Native) -> bytes:
        # Counted here, as parts that this dialect cannot express leave gaps in the part numbers of the form.
        self._open = self._count
        self._count += 1
        self._piece = _piece(part)
        return _frame("content_block_start", {"index": self._open, "content_block": write_part(part)})

    def fail(self, fault: Fault) -> bytes:
        """End the stream with a fault. Leave a tool call open: a client may run one as soon as its block ends."""
        closed = b"" if self._piece[0] == "input_json_delta" else self._close()
        return closed + write_fault(fault)

    def follow(self, said: Body) -> None:
        """Continue after an event that this writer did not write: take over its block index."""
        if said.get("type") == "content_block_start":
            self._open = _index(said)
            self._count = self._open + 1

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        index, self._open = self._open, None
        return _frame("content_block_stop", {"index": index})

    def _delta(self, delta: Body) -> bytes:
        return _frame("content_block_delta", {"index": self._open, "delta": delta})


def _piece(part: Text | Refusal | Reasoning | ToolCall | Native) -> tuple[str, str]:
    match part:
        case Text() | Refusal() | Native():
            return "text_delta", "text"
        case Reasoning():
            return "thinking_delta", "thinking"
        case ToolCall():
            return "input_json_delta", "partial_json"
        case _:
            assert_never(part)


def _frame(event: str, body: Body) -> bytes:
    return b"event: " + event.encode() + b"\ndata: " + dump({"type": event} | body) + b"\n\n"


def _object(event: Body, key: str) -> Body:
    value = event.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{event.get('type')} without its {key}")
    return value


def _index(event: Body) -> int:
    value = event.get("index")
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{event.get('type')} without its index")
    return value


def _text(delta: Body, key: str) -> str:
    value: Any = delta.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{delta.get('type')} without its {key}")
    return value
