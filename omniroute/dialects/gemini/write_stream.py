"""Writer for Gemini streams: events -> partial replies."""

from dataclasses import replace
from typing import assert_never

from omniroute.dialects.gemini.errors import write_array_fault, write_fault
from omniroute.dialects.gemini.reasoning_signatures import Signer
from omniroute.dialects.gemini.reply import head, write_candidate, write_chunk, write_end, write_part
from omniroute.dialects.gemini.usage import write_logprobs, write_mean, write_usage
from omniroute.dialects.ir import (
    Begin,
    Body,
    Citation,
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


class Writer:
    """Converter from events to partial replies. The order of the events is not checked.

    A call is written once it is complete.
    """

    def __init__(self, *, model: str, include_usage: bool = False, created: int = 0) -> None:
        self._model = model
        self._head: Body = {}
        self._part: Text | Refusal | Reasoning | ToolCall | Native = Text()
        self._pieces: list[str] = []
        """Pieces of the open call or thought."""
        self._cited: list[Citation] = []
        self._signer = Signer()
        self._logprobs = 0.0, 0
        """Sum and number of the log probabilities so far."""

    def write(self, event: Event) -> bytes:
        match event:
            case Begin(id=reply_id):
                self._head = head(reply_id, self._model)
                return b""
            case PartStart(part=part):
                self._part = part
                self._pieces = []
                return self._say(write_part(part, self._signer)) if isinstance(part, Native) else b""
            case PartDelta(text=text, odds=odds):
                return self._write_piece(text, odds)
            case PartCite(citation=citation):
                self._cited.append(citation)
                return b""
            case PartStop():
                return self._write_stop(event)
            case Finish(reason=reason, note=note, usage=usage):
                end = write_candidate([]) | write_end(reason, note, self._cited) | write_mean(*self._logprobs)
                return self._frame(self._head | {"candidates": [end], "usageMetadata": write_usage(usage)})
            case _:
                assert_never(event)

    def fail(self, fault: Fault) -> bytes:
        """End the stream with a fault. Partial replies need no closing, and an incomplete call is dropped."""
        return write_fault(fault)

    def follow(self, said: Body) -> None:
        """Continue after a partial reply that this writer did not write: take over its id and model."""
        self._head |= {key: said[key] for key in ("responseId", "modelVersion") if key in said}

    def _write_piece(self, text: str, odds: tuple[TokenLogprob, ...] = ()) -> bytes:
        match self._part:
            case ToolCall():
                self._pieces.append(text)
                return b""
            case Reasoning():
                self._pieces.append(text)
                return self._say({"text": text, "thought": True})
            case _ if odds:
                total, count = self._logprobs
                self._logprobs = total + sum(one.logprob for one in odds), count + len(odds)
                candidate = write_candidate([{"text": text}]) | write_logprobs(odds)
                return self._frame({"candidates": [candidate]} | self._head)
            case _:
                return self._say({"text": text})

    def _write_stop(self, stop: PartStop) -> bytes:
        match self._part:
            case ToolCall() as call:
                return self._say(write_part(replace(call, arguments="".join(self._pieces)), self._signer))
            case Reasoning(sealed=sealed, origin=origin):
                text = "".join(self._pieces)
                return self._say(self._signer.take(Reasoning(text, stop.signature, sealed, stop.origin or origin)))
            case _:
                return b""

    def _say(self, part: Body | None) -> bytes:
        return b"" if part is None else self._frame(write_chunk(self._head, [part]))

    def _frame(self, chunk: Body) -> bytes:
        return b"data: " + dump(chunk) + b"\n\n"


class ArrayWriter(Writer):
    """Writer of the stream as one JSON array, which Gemini sends unless the client asks for server-sent events."""

    def __init__(self, *, model: str, include_usage: bool = False, created: int = 0) -> None:
        super().__init__(model=model, include_usage=include_usage, created=created)
        self._begun = False

    def write(self, event: Event) -> bytes:
        said = super().write(event)
        return said + b"\r\n]" if isinstance(event, Finish) else said

    def fail(self, fault: Fault) -> bytes:
        """End the stream with the fault as the last element, or as the only one."""
        return write_array_fault(fault, first=not self._begun)

    def _frame(self, chunk: Body) -> bytes:
        before, self._begun = b",\r\n" if self._begun else b"[", True
        return before + dump(chunk)
