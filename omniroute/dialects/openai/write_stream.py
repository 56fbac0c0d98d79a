"""Writer for Chat Completions streams: events -> chunks."""

from typing import assert_never

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
    Reasoning,
    Refusal,
    Text,
    TokenLogprob,
    ToolCall,
)
from omniroute.dialects.json_edit import dump
from omniroute.dialects.openai.errors import write_fault
from omniroute.dialects.openai.reasoning import detail, find, piece, write_signature
from omniroute.dialects.openai.reply import write_call, write_citation, write_logprobs, write_reason, write_usage
from omniroute.dialects.reasoning_signatures import CALL, TEXT
from omniroute.dialects.tool_names import derive_id, read_input, read_own_name


class Writer:
    """Converter from events to chunks. The order of the events is not checked."""

    def __init__(self, *, model: str, include_usage: bool = False, created: int = 0) -> None:
        self._head: Body = {"id": "", "object": "chat.completion.chunk", "created": created, "model": model}
        self._include_usage = include_usage
        self._tools = -1
        self._spot = 0
        self._start = 0
        self._length = 0
        self._refused = False
        self._part: object = None
        self._empty = True
        self._custom: list[str] | None = None
        """Pieces of a custom tool's input; it is embedded in JSON and can only be written once that is complete."""
        self._seal: str | None = None
        """Reasoning signature to be written on the next tool call, for Google's Gemini."""

    def write(self, event: Event) -> bytes:
        match event:
            case Begin(id=reply_id):
                self._head["id"] = reply_id or derive_id("chatcmpl-", self._head["model"])
                return self._delta({"role": "assistant", "content": ""})
            case PartStart():
                self._part, self._empty = event.part, True
                return self._write_start(event.part)
            case PartDelta(text=text, odds=odds):
                return self._write_piece(text, odds)
            case PartCite(citation=citation):
                return self._delta({"annotations": [write_citation(citation, self._start, self._length)]})
            case PartStop():
                return self._write_stop(event)
            case Finish():
                return self._write_end(event)
            case _:
                assert_never(event)

    def fail(self, fault: Fault) -> bytes:
        """End the stream with a fault; chunks of this dialect need no closing of open parts."""
        return write_fault(fault)

    def follow(self, said: Body) -> None:
        """Continue after a chunk that this writer did not write: take over its id, creation time and model."""
        self._head |= {key: said[key] for key in ("id", "created", "model") if key in said}

    def _write_start(self, part: Text | Refusal | Reasoning | ToolCall | Native) -> bytes:
        match part:
            case ToolCall(id=call_id, name=name):
                self._tools += 1
                self._custom = [] if read_own_name(name).kind == "custom" else None
                call = {"index": self._tools, "id": call_id} | write_call(name, "") | write_signature(self._seal)
                self._seal = None
                return self._delta({"tool_calls": [call]})
            case Reasoning():
                if seal := find(part, TEXT):
                    return self._delta(write_signature(seal))
                self._spot += 1
                if part.sealed is None:
                    return b""
                return self._delta({"reasoning_details": [detail(part, self._spot - 1)]})
            case Text():
                self._start = self._length
                return b""
            case Refusal() | Native():
                return b""
            case _:
                assert_never(part)

    def _write_stop(self, stop: PartStop) -> bytes:
        if isinstance(self._part, ToolCall) and self._custom is not None:
            given = read_input("".join(self._custom))
            return self._delta({"tool_calls": [{"index": self._tools, "custom": {"input": given}}]})
        if isinstance(self._part, ToolCall) and self._empty:
            return self._write_piece("{}")
        if stop.signature:
            sealed = Reasoning(signature=stop.signature, origin=stop.origin)
            if seal := find(sealed, CALL):
                self._seal = seal
                return b""
            return self._delta({"reasoning_details": [detail(sealed, self._spot - 1)]})
        return b""

    def _write_piece(self, text: str, odds: tuple[TokenLogprob, ...] = ()) -> bytes:
        self._empty = False
        match self._part:
            case ToolCall() if self._custom is not None:
                self._custom.append(text)
                return b""
            case ToolCall():
                return self._delta({"tool_calls": [{"index": self._tools, "function": {"arguments": text}}]})
            case Reasoning():
                # Written twice: `reasoning_content` for all clients, `reasoning_details` because the signature covers
                # exactly this text.
                return self._delta({"reasoning_content": text, "reasoning_details": [piece(text, self._spot - 1)]})
            case Refusal():
                self._refused = True
                return self._delta({"refusal": text})
            case _:
                self._length += len(text)
                return self._delta({"content": text}, odds=odds)

    def _write_end(self, finish: Finish) -> bytes:
        out = self._delta({"refusal": finish.note}) if finish.note and not self._refused else b""
        out += self._delta({}, write_reason(finish.reason, calls=self._tools >= 0))
        if self._include_usage:
            out += _frame(self._head | {"choices": [], "usage": write_usage(finish.usage)})
        return out + b"data: [DONE]\n\n"

    def _delta(self, delta: Body, reason: str | None = None, odds: tuple[TokenLogprob, ...] = ()) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": write_logprobs(odds), "finish_reason": reason}
        return _frame(self._head | {"choices": [choice]} | ({"usage": None} if self._include_usage else {}))


def _frame(chunk: Body) -> bytes:
    return b"data: " + dump(chunk) + b"\n\n"
