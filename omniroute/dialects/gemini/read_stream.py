"""Reader for Gemini streams: partial replies -> events."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from omniroute.dialects.content_blocks import MOST_PARTS
from omniroute.dialects.gemini.reasoning_signatures import unwrap
from omniroute.dialects.gemini.usage import read_logprobs, read_usage
from omniroute.dialects.ir import (
    Begin,
    Body,
    Citation,
    Event,
    Finish,
    Native,
    PartCite,
    PartDelta,
    PartStart,
    PartStop,
    Reason,
    Reasoning,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
)
from omniroute.dialects.json_edit import dump, load_object
from omniroute.dialects.reasoning_signatures import CALL, TEXT
from omniroute.dialects.sse import Frame
from omniroute.dialects.token_usage import merge
from omniroute.dialects.tool_names import derive_id
from omniroute.dialects.validate import string, upstream_objects

REASONS: Mapping[str, Reason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), "filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"), "filter"),
}
BROKEN = {"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE"}
"""Finish reasons of a model that failed to write a tool call; without an earlier call there is no usable reply."""


class Reader:
    """Converter from partial replies to events.

    There is no end mark and usage may come late, so `Finish` waits for the end of the stream.
    """

    def __init__(self) -> None:
        self._begun = False
        self._ended = False
        self._heard = False
        self._usage = Usage()
        self._id: str | None = None
        self._word: str | None = None
        self._note: str | None = None
        self._index = -1
        self._open: str | None = None
        """Kind of the open part: `text` or `thought`; None if none is open."""
        self._calls = 0
        self._seal = ""
        """Signature of the text, which may be on any of its pieces."""
        self._told: set[str] = set()
        """Signatures of other providers read so far: each is on its thought, and again on the call after it."""
        self._call_ids: set[str] = set()

    def feed(self, frame: Frame) -> list[Event]:
        """Read one frame. Raise ValueError if it does not follow the dialect."""
        if self._ended or not frame.data or frame.data.startswith("[DONE]"):
            return []
        return self.take(load_object(frame.data))

    def take(self, reply: Body) -> list[Event]:
        """Read a whole or partial reply. Raise ValueError if it does not follow the dialect."""
        self._usage = merge(self._usage, read_usage(reply.get("usageMetadata")) or Usage())
        candidates = upstream_objects(reply.get("candidates"))
        feedback = reply.get("promptFeedback")
        if not candidates and not isinstance(feedback, dict) and "usageMetadata" not in reply:
            return []
        self._heard = True
        events: list[Event] = []
        if not self._begun:
            self._begun = True
            self._id = reply["responseId"] if isinstance(reply.get("responseId"), str) else None
            events.append(Begin(self._id or None, self._usage))
        if isinstance(feedback, dict) and (word := _word(feedback.get("blockReason"))):
            self._word = "SAFETY"
            self._note = string(feedback.get("blockReasonMessage")) or f"the prompt was blocked: {word}"
        for candidate in candidates:
            if not candidate.get("index"):
                events += self._candidate(candidate)
        return events

    def finish(self) -> list[Event]:
        """Emit the end of the reply; emit nothing if the upstream sent no finish reason, as the reply was cut.

        Raise ValueError if the model failed to write a tool call and there is no earlier one.
        """
        if self._ended or self._word is None:
            return []
        self._ended = True
        if self._word in BROKEN and not self._calls:
            raise ValueError(f"the model's answer cannot be used: {self._word} {self._note or ''}".rstrip())
        reason = REASONS.get(self._word, "stop")
        if reason == "stop" and self._calls:
            reason = "tool_calls"
        note = self._note if reason == "filter" else None
        begin = [] if self._begun else [Begin(None, self._usage)]
        return [*begin, *self._close(), Finish(reason, note=note, usage=self._usage)]

    def end_whole(self) -> list[Event]:
        """End a reply that came in one piece; it is complete even without a finish reason."""
        if self._word is None and self._heard:
            self._word = "STOP"
        return self.finish()

    def _candidate(self, candidate: Body) -> list[Event]:
        events: list[Event] = []
        content = candidate.get("content") or {}
        if not isinstance(content, dict):
            raise ValueError("a candidate whose content is no object")
        spoken = self._index if self._open == "text" else None
        for part in upstream_objects(content.get("parts")):
            events += self._part(part)
        if odds := read_logprobs(candidate.get("logprobsResult")):
            events = _with_odds(events, odds, spoken)
        events += self._cite(candidate.get("groundingMetadata"))
        if word := _word(candidate.get("finishReason")):
            self._word = word
            self._note = string(candidate.get("finishMessage")) or None
        return events

    def _part(self, part: Body) -> list[Event]:
        signature = string(part.get("thoughtSignature")) or string(part.get("thought_signature"))
        if "functionCall" in part:
            return self._call(part["functionCall"], signature)
        if "text" in part:
            text = string(part["text"])
            if part.get("thought") is True:
                return self._thought(text, signature)
            events = self._say("text", Text(), text)
            self._seal = signature or self._seal
            return events
        if not part.keys() - {"thought", "thoughtSignature", "thought_signature"}:
            return []
        return self._whole(Native("gemini", part, needed=False))

    def _call(self, call: Any, signature: str) -> list[Event]:
        name = call.get("name") if isinstance(call, dict) else None
        if not isinstance(name, str) or not name:
            raise ValueError("a call without the name of its function")
        arguments = call.get("args")
        if arguments is not None and not isinstance(arguments, dict):
            raise ValueError("a call whose arguments are no object")
        call_id = string(call.get("id"))
        if not call_id or call_id in self._call_ids:
            call_id = derive_id("call_", self._id, self._calls, name)
        self._call_ids.add(call_id)
        self._calls += 1
        sealed = self._seal_call(signature) if signature else []
        return [*sealed, *self._whole(ToolCall(call_id, name), dump(arguments or {}).decode())]

    def _thought(self, text: str, signature: str) -> list[Event]:
        events = self._say("thought", Reasoning(), text)
        if not signature:
            return events
        [*_, found] = unwrap(signature) or [Reasoning(signature=signature, origin="gemini")]
        return [*events, *self._stop_thought(found)]

    def _stop_thought(self, found: Reasoning) -> list[Event]:
        """Sign and close the open thought, or emit a thought without text for the signature."""
        self._told.add(found.sealed or found.signature or "")
        if found.sealed is not None:
            return self._whole(Reasoning(sealed=found.sealed, origin=found.origin))
        events = [] if self._open == "thought" else self._start("thought", Reasoning())
        self._open = None
        return [*events, PartStop(self._index, found.signature, found.origin)]

    def _seal_call(self, signature: str) -> list[Event]:
        """Emit the reasoning held in the thought signature of a call."""
        if (thoughts := unwrap(signature)) is None:
            return self._stop_thought(Reasoning(signature=CALL + signature, origin="gemini"))
        missing = [part for part in thoughts if (part.sealed or part.signature) not in self._told]
        return [event for part in missing for event in self._thought_whole(part)]

    def _thought_whole(self, part: Reasoning) -> list[Event]:
        events = self._close()
        events += self._say("thought", Reasoning(), part.text)
        return [*events, *self._stop_thought(part)]

    def _say(self, kind: str, part: Text | Reasoning, text: str) -> list[Event]:
        """Append to the open text or thought, or start a new part."""
        if not text:
            return []
        begin = [] if self._open == kind else self._start(kind, part)
        return [*begin, PartDelta(self._index, text)]

    def _start(self, kind: str | None, part: Text | Reasoning | ToolCall | Native) -> list[Event]:
        events = self._close()
        self._open = kind
        self._index += 1
        if self._index >= MOST_PARTS:
            raise ValueError(f"a reply of more than {MOST_PARTS} parts")
        return [*events, PartStart(self._index, part)]

    def _whole(self, part: Reasoning | ToolCall | Native, text: str = "") -> list[Event]:
        said: list[Event] = [PartDelta(self._index + 1, text)] if text else []
        return [*self._start(None, part), *said, PartStop(self._index)]

    def _close(self) -> list[Event]:
        events: list[Event] = [] if self._open is None else [PartStop(self._index)]
        self._open = None
        if self._seal:
            self._index += 1
            sealed = Reasoning(sealed=TEXT + self._seal, origin="gemini")
            events += [PartStart(self._index, sealed), PartStop(self._index)]
            self._seal = ""
        return events

    def _cite(self, grounding: Any) -> list[Event]:
        """Read the web pages that the text relies on, and attach them to the text that is open."""
        if self._open != "text" or not isinstance(grounding, dict):
            return []
        quotes: dict[int, str] = {}
        for support in upstream_objects(grounding.get("groundingSupports")):
            segment = support.get("segment")
            quote = segment.get("text") if isinstance(segment, dict) else None
            indices = support.get("groundingChunkIndices")
            for index in indices if isinstance(indices, list) else ():
                if isinstance(index, int) and isinstance(quote, str):
                    quotes.setdefault(index, quote)
        events: list[Event] = []
        for index, chunk in enumerate(upstream_objects(grounding.get("groundingChunks"))):
            match chunk.get("web"):
                case {"uri": str(url), **page}:
                    citation = Citation(url, str(page.get("title") or ""), quotes.get(index, ""))
                    events.append(PartCite(self._index, citation))
        return events


def _with_odds(events: list[Event], odds: tuple[TokenLogprob, ...], spoken: int | None) -> list[Event]:
    """Attach log probabilities to the first text among the events, or else to the earlier text part `spoken`."""
    text = spoken
    for place, event in enumerate(events):
        match event:
            case PartStart(index=index, part=Text()):
                text = index
            case PartDelta(index=index) if index == text:
                return [*events[:place], replace(event, odds=odds), *events[place + 1 :]]
            case _:
                pass
    return events if spoken is None else [PartDelta(spoken, "", odds), *events]


def _word(value: Any) -> str | None:
    word = string(value)
    return None if not word or word.endswith("_UNSPECIFIED") else word
