"""Reader for Chat Completions streams: chunks -> events."""

from dataclasses import replace

from omniroute.dialects.content_blocks import ContentBlocks, Document
from omniroute.dialects.ir import (
    Begin,
    Body,
    Event,
    Finish,
    Reason,
    Reasoning,
    Refusal,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
)
from omniroute.dialects.json_edit import load_object
from omniroute.dialects.openai.observer import said
from omniroute.dialects.openai.reasoning import (
    FORMATS,
    read_call_signature,
    read_encrypted,
    read_text_signature,
    split_content,
)
from omniroute.dialects.openai.reply import (
    Splitter,
    read_arguments,
    read_citation,
    read_logprobs,
    read_reason,
    read_usage,
)
from omniroute.dialects.sse import Frame
from omniroute.dialects.token_usage import merge
from omniroute.dialects.tool_names import derive_id
from omniroute.dialects.validate import string, upstream_objects


class _Call:
    """A tool call that is still being streamed."""

    def __init__(self) -> None:
        self.key: tuple[str, int] | None = None
        """Key of the content block; None until the function name is known."""
        self.id: str | None = None
        self.early: list[str] = []
        """Arguments received before the function name."""
        self.unread: list[str] = []
        self.document = Document()

    @property
    def whole(self) -> bool:
        """Whether the arguments are a complete JSON document.

        Parsed only when another part is about to start, so that a single call costs nothing.
        """
        for piece in self.unread:
            self.document.feed(piece)
        self.unread.clear()
        return self.document.whole


class Reader:
    """Converter from chunks to events.

    Usage arrives after the finish reason, so the `Finish` event waits for the usage chunk or for the end of the
    stream.
    """

    def __init__(self) -> None:
        self._blocks = ContentBlocks()
        self._begun = False
        self._ended = False
        self._reply_id: str | None = None
        self._word: str | None = None
        self._usage = Usage()
        self._calls: dict[object, _Call] = {}
        self._at: dict[object, _Call] = {}
        self._last: _Call | None = None
        self._tail: tuple[str, int] | None = None
        """Kind and number of the part started last."""
        self._text: list[str] = []
        self._odds: list[TokenLogprob] = []
        """Log probabilities of tokens whose text has not been emitted yet."""
        self._refused = False
        self._nameless = 0
        self._splitter = Splitter()
        self._seal: Reasoning | None = None
        """The text's reasoning signature, which Google's Gemini requires back in the next request."""

    def feed(self, frame: Frame) -> list[Event]:
        """Read one frame. Raise ValueError if it does not follow the dialect."""
        if self._ended or not frame.data:
            return []
        if frame.data.startswith("[DONE]"):
            self._word = self._word or "stop"
            return self.finish()
        chunk = load_object(frame.data)
        events = [] if self._begun else self._start(string(chunk.get("id")) or None)
        usage = read_usage(chunk.get("usage"))
        if usage is not None:
            self._usage = merge(self._usage, usage)
        choices = upstream_objects(chunk.get("choices"))
        for choice in choices:
            if not choice.get("index"):
                events += self._choice(choice)
        if usage is not None and self._word is not None and not choices:
            events += self.finish()
        return events

    def finish(self) -> list[Event]:
        """Emit the end of the reply; emit nothing if the upstream sent no finish reason, as the reply was cut."""
        if self._ended or self._word is None:
            return []
        self._ended = True
        if self._nameless:
            raise ValueError("a tool call without the name of its function")
        begin = [] if self._begun else self._start(None)
        reason: Reason = read_reason(self._word, calls=bool(self._calls), refused=self._refused)
        rest = self._split(self._splitter.finish())
        if self._odds and self._tail is not None and self._tail[0] == "text" and self._blocks.holds(self._tail):
            rest += self._blocks.add(self._tail, "", tuple(self._odds))
        rest += [] if self._seal is None else self._whole(self._seal)
        return [*begin, *rest, *self._blocks.finish(), Finish(reason, usage=self._usage)]

    def _start(self, reply_id: str | None) -> list[Event]:
        self._begun = True
        self._reply_id = reply_id
        return [Begin(reply_id)]

    def _choice(self, choice: Body) -> list[Event]:
        delta = said(choice) or {}
        if not isinstance(delta, dict):
            raise ValueError("a choice whose delta is no object")
        thought, spoken = split_content(delta.get("content"))
        events = self._reason(delta, thought)
        odds = read_logprobs(told.get("content")) if isinstance(told := choice.get("logprobs"), dict) else ()
        if spoken or odds:
            events += self._split(self._splitter.feed(spoken), odds)
        if notes := upstream_objects(delta.get("annotations")):
            events += self._cite(notes)
        if text := string(delta.get("refusal")):
            self._refused = True
            events += self._say("refusal", Refusal(), text)
        calls, legacy = upstream_objects(delta.get("tool_calls")), delta.get("function_call")
        if calls or legacy:
            events += self._split(self._splitter.finish())
        for call in calls:
            events += self._tool(call)
        if legacy:  # the legacy form of a single tool call
            events += self._tool({"function": legacy})
        self._seal = read_text_signature(delta) or self._seal
        self._word = string(choice.get("finish_reason")) or self._word
        return events

    def _reason(self, delta: Body, thought: str) -> list[Event]:
        details = upstream_objects(delta.get("reasoning_details"))
        text = string(delta.get("reasoning_content")) or string(delta.get("reasoning")) or thought
        if not text and not details:
            return []
        events = self._split(self._splitter.finish())
        if text:
            events += self._say("reasoning", Reasoning(), text)
        return events + [event for item in details for event in self._detail(item, bool(text))]

    def _split(self, pieces: list[tuple[bool, str]], odds: tuple[TokenLogprob, ...] = ()) -> list[Event]:
        """Emit text and the reasoning embedded in it, as split by the `Splitter`."""
        events: list[Event] = []
        if odds:
            self._odds += odds
        for thinks, text in pieces:
            if thinks:
                events += self._say("reasoning", Reasoning(), text)
            else:
                self._text.append(text)
                if self._odds:
                    odds, self._odds = tuple(self._odds), []
                events += self._say("text", Text(), text, odds)
                odds = ()
        return events

    def _cite(self, notes: list[Body]) -> list[Event]:
        if self._tail is None or self._tail[0] != "text":
            return []
        text = "".join(self._text)
        self._text = [text]
        found = (read_citation(note, text) for note in notes)
        return [event for citation in found if citation for event in self._blocks.cite(self._tail, citation)]

    def _detail(self, item: Body, said: bool) -> list[Event]:
        """Read one item of `reasoning_details`; skip its text if `reasoning` has already delivered the same."""
        events: list[Event] = []
        origin = FORMATS.get(str(item.get("format")))
        match item.get("type"):
            case "reasoning.text":
                if not said and (text := string(item.get("text"))):
                    events += self._say("reasoning", Reasoning(), text)
                if signature := string(item.get("signature")):
                    events += self._say("reasoning", Reasoning(), "")
                    events += self._blocks.stop(self._tail, signature, origin)
            case "reasoning.summary":
                if not said and (text := string(item.get("summary"))):
                    events += self._say("reasoning", Reasoning(), text)
            case "reasoning.encrypted":
                events += self._whole(read_encrypted(string(item.get("data")), origin))
        return events

    def _whole(self, part: Reasoning) -> list[Event]:
        """Emit a reasoning part that holds only a signature or encrypted data."""
        events = self._begin("sealed", replace(part, signature=None, origin=part.origin if part.sealed else None))
        return [*events, *self._blocks.stop(self._tail, part.signature, part.origin if part.signature else None)]

    def _say(
        self, kind: str, part: Text | Refusal | Reasoning, text: str, odds: tuple[TokenLogprob, ...] = ()
    ) -> list[Event]:
        """Append text to the part started last if it has the same kind; otherwise start a new part."""
        if self._tail is not None and self._tail[0] == kind and self._blocks.holds(self._tail):
            return self._blocks.add(self._tail, text, odds)
        return [*self._begin(kind, part), *self._blocks.add(self._tail, text, odds)]

    def _begin(self, kind: str, part: Text | Refusal | Reasoning | ToolCall) -> list[Event]:
        events = self._close()
        self._tail = (kind, self._tail[1] + 1 if self._tail else 0)
        return [*events, *self._blocks.start(self._tail, part)]

    def _close(self) -> list[Event]:
        """Close the open parts that are complete: text always, a tool call once its arguments are whole."""
        events: list[Event] = []
        while (key := self._blocks.open) is not None:
            if key in self._calls and not self._calls[key].whole:
                break
            events += self._blocks.stop(key)
        return events

    def _tool(self, piece: Body) -> list[Event]:
        call = self._find(piece)
        function = piece.get("function") or {}
        if not isinstance(function, dict):
            raise ValueError("a tool call whose function is no object")
        name, arguments = string(function.get("name")), read_arguments(function)
        events: list[Event] = []
        if call.key is None:
            call.early.append(arguments)
            if not name:
                return []
            arguments = "".join(call.early)
            self._nameless -= 1
            call_id = call.id or derive_id("call_", self._reply_id, len(self._calls), name)
            if (sealed := read_call_signature(piece)) is not None:
                events += self._whole(sealed)
            events += self._begin("tool", ToolCall(call_id, name))
            call.key = self._tail
            self._calls[call.key] = call
        elif call.key != self._blocks.open:
            events += self._close()
        call.unread.append(arguments)
        return events + self._blocks.add(call.key, arguments)

    def _find(self, piece: Body) -> _Call:
        """Find or create the call that a piece belongs to.

        Some upstreams give all calls the same index, some give none.
        """
        call_id, index = string(piece.get("id")) or None, piece.get("index")
        if not isinstance(index, int | float | str | None):
            raise ValueError("a tool call whose index is no number")
        call = self._last if index is None else self._at.get(index)
        if call is None or (call_id and call.id and call.id != call_id):
            call = self._at.get((index, call_id))
        if call is None:
            call = _Call()
            self._nameless += 1
        call.id = call.id or call_id
        self._last = self._at[index] = self._at[index, call.id] = call
        return call
