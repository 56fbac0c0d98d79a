"""Reader for OpenAI Responses streams: events of the wire -> events of the form."""

from typing import Any

from omniroute.dialects.content_blocks import ContentBlocks
from omniroute.dialects.ir import (
    Begin,
    Body,
    Event,
    Finish,
    Native,
    Reasoning,
    Refusal,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
)
from omniroute.dialects.json_edit import load_object
from omniroute.dialects.openai.reply import read_logprobs
from omniroute.dialects.responses.reasoning import BETWEEN, read_reasoning, read_signature
from omniroute.dialects.responses.reply import (
    read_annotation,
    read_arguments,
    read_call,
    read_content,
    read_reason,
    read_usage,
)
from omniroute.dialects.sse import Frame
from omniroute.dialects.tool_names import write_input
from omniroute.dialects.validate import string

type Key = tuple[int, int]
"""Index of an item, and of a part of its content."""


class _Part:
    """A part that is still being streamed."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.cited = False
        self.probable = False
        """Whether log probabilities of its tokens were received."""
        self.stopped = False
        self.section: tuple[str, Any] | None = None
        """Kind of reasoning event and index of the summary part that is being streamed."""

    @property
    def text(self) -> str:
        """The text received so far; joined once, however often it is read."""
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


class Reader:
    """Converter from wire events to form events.

    What an event leaves out is taken from the next event that repeats it.
    """

    def __init__(self) -> None:
        self._blocks = ContentBlocks()
        self._begun = False
        self._ended = False
        self._reply_id: str | None = None
        self._parts: dict[Key, _Part] = {}
        self._items: dict[int, Body] = {}
        """Items as given in `output_item.added`, by index."""
        self._done: set[int] = set()
        self._last = -1
        """Index of the item that an event without an index belongs to."""
        self._named: dict[str, int] = {}
        """Item index by item id."""
        self._calls = False
        self._refused = False

    def feed(self, frame: Frame) -> list[Event]:
        """Read one frame. Raise ValueError if it does not follow the dialect."""
        if self._ended or not frame.data or frame.data == "[DONE]":
            return []
        event = load_object(frame.data)
        match event.get("type"):
            case "response.created" | "response.in_progress":
                return self._begin(_object(event, "response"))
            case "response.completed" | "response.incomplete":
                return self._end(_object(event, "response"))
            case str(kind) if kind.startswith("response."):
                events = self._item(kind.removeprefix("response."), event)
                return [*self._begin({}), *events] if events else []
            case _:
                return []

    def finish(self) -> list[Event]:
        """Return nothing: the end is an event of its own, and without it the reply was cut."""
        return []

    def _begin(self, response: Body) -> list[Event]:
        if self._begun:
            return []
        self._begun = True
        self._reply_id = string(response.get("id")) or None
        return [Begin(self._reply_id)]

    def _place(self, kind: str, event: Body) -> Key:
        if event.get("output_index") is not None:
            self._last = _number(event, "output_index")
        elif kind == "output_item.added":
            self._last += 1
        elif (known := self._named.get(_item_id(event))) is not None:
            self._last = known
        elif kind == "output_item.done" and (self._last < 0 or self._last in self._done):
            self._last += 1
        return self._last, _number(event, "content_index")

    def _item(self, kind: str, event: Body) -> list[Event]:
        key = index, _ = self._place(kind, event)
        match kind:
            case "output_item.added":
                return self._added(index, _object(event, "item"))
            case "output_item.done":
                return self._finish_item(index, _object(event, "item"))
            case "content_part.added":
                part = read_content(_object(event, "part"))
                return [] if part is None else self._start(key, Text() if isinstance(part, Text) else Refusal())
            case "content_part.done":
                return self._finish_content(key, event.get("part"))
            case str() if kind.endswith(".done"):
                return self._told_whole(kind, key, event)
            case _:
                return self._piece(kind, key, event)

    def _piece(self, kind: str, key: Key, event: Body) -> list[Event]:
        index, _ = key
        match kind:
            case "output_text.delta":
                return self._say(key, Text(), string(event.get("delta")), read_logprobs(event.get("logprobs")))
            case "refusal.delta":
                return self._say(key, Refusal(), string(event.get("delta")))
            case "output_text.annotation.added":
                return self._cite(key, event.get("annotation"))
            case "reasoning_summary_text.delta" | "reasoning_text.delta":
                return self._think(index, (kind, event.get("summary_index")), string(event.get("delta")))
            case "function_call_arguments.delta" | "custom_tool_call_input.delta":
                return self._argue(index, string(event.get("delta")))
            case _:
                return []

    def _told_whole(self, kind: str, key: Key, event: Body) -> list[Event]:
        """Read a `.done` event that repeats the whole text; some servers send no deltas, or not all."""
        index, _ = key
        match kind:
            case "output_text.done":
                whole = Text(odds=read_logprobs(event.get("logprobs")))
                return self._say_rest(key, whole, string(event.get("text")))
            case "refusal.done":
                return self._say_rest(key, Refusal(), string(event.get("refusal")))
            case "reasoning_summary_text.done" | "reasoning_text.done":
                part = self._parts.get((index, 0))
                new = part is None or (part.section is not None and part.section[0] == kind)
                section = (kind, event.get("summary_index"))
                return self._think(index, section, string(event.get("text"))) if new else []
            case "function_call_arguments.done" if (index, 0) in self._parts:
                return self._say_rest((index, 0), ToolCall("", ""), read_arguments(event))
            case _:
                return []

    def _added(self, index: int, item: Body) -> list[Event]:
        self._items[index] = item
        if isinstance(named := item.get("id"), str):
            self._named[named] = index
        if item.get("type") in {"function_call", "custom_tool_call"}:
            return self._start((index, 0), read_call(item, self._reply_id, index))
        return []

    def _start(self, key: Key, part: Text | Refusal | Reasoning | ToolCall) -> list[Event]:
        if key in self._parts:
            return []
        self._parts[key] = _Part()
        self._refused = self._refused or isinstance(part, Refusal)
        if isinstance(part, ToolCall):
            self._calls = True
            part = ToolCall(part.id, part.name)
        return self._blocks.start(key, part)

    def _say(
        self, key: Key, part: Text | Refusal | Reasoning | ToolCall, text: str, odds: tuple[TokenLogprob, ...] = ()
    ) -> list[Event]:
        events = self._start(key, part)
        self._parts[key].pieces.append(text)
        self._parts[key].probable = self._parts[key].probable or bool(odds)
        return [*events, *self._blocks.add(key, text, odds)]

    def _say_rest(self, key: Key, part: Text | Refusal | ToolCall, text: str) -> list[Event]:
        """Emit the rest of a text, of which the deltas may have delivered only the start."""
        said = self._parts[key].text if key in self._parts else ""
        if not text.startswith(said) or (key in self._parts and self._parts[key].stopped):
            return []
        odds = part.odds if isinstance(part, Text) and not said else ()
        return self._say(key, part, text[len(said) :], odds) if len(text) > len(said) else []

    def _cite(self, key: Key, note: Any) -> list[Event]:
        if (part := self._parts.get(key)) is None or part.stopped:
            return []
        citation = read_annotation(note, part.text)
        part.cited = True
        return [] if citation is None else self._blocks.cite(key, citation)

    def _think(self, index: int, section: tuple[str, Any], text: str) -> list[Event]:
        key = (index, 0)
        events = self._start(key, Reasoning())
        part = self._parts[key]
        if part.section is not None and part.section != section:
            if part.section[0] != section[0]:
                return events  # the same reasoning in another form
            text = BETWEEN + text
        part.section = section
        return [*events, *self._say(key, Reasoning(), text)]

    def _argue(self, index: int, text: str) -> list[Event]:
        item = self._items.get(index, {})
        if (index, 0) not in self._parts:
            raise ValueError("a piece of a call that was never begun")
        if item.get("type") == "custom_tool_call":
            # The bare text of a custom tool call is JSON in the form and can only be encoded once it is complete.
            self._parts[index, 0].pieces.append(text)
            return []
        return self._say((index, 0), ToolCall("", ""), text)

    def _stop(self, key: Key, signature: str | None = None, origin: str | None = None) -> list[Event]:
        self._parts[key].stopped = True
        return self._blocks.stop(key, signature, origin)

    def _finish_content(self, key: Key, body: Any) -> list[Event]:
        """Emit what is missing of a message part, and close it."""
        part = read_content(body)
        if part is None or (key in self._parts and self._parts[key].stopped):
            return []
        events = self._start(key, Text() if isinstance(part, Text) else Refusal())
        events += self._say_rest(key, part, part.text)
        if isinstance(part, Text) and part.odds and not self._parts[key].probable:
            events += self._say(key, part, "", part.odds)
        if isinstance(part, Text) and not self._parts[key].cited:
            events += [event for citation in part.citations for event in self._blocks.cite(key, citation)]
        return [*events, *self._stop(key)]

    def _finish_item(self, index: int, item: Body) -> list[Event]:
        """Emit what is missing of an item, and close it. Raise ValueError for an item without a type."""
        if index in self._done:
            return []
        self._done.add(index)
        match item.get("type"):
            case "message":
                content = item.get("content") or []
                return [event for i, body in enumerate(content) for event in self._finish_content((index, i), body)]
            case "reasoning":
                return self._finish_reasoning(index, item)
            case "function_call" | "custom_tool_call" as kind:
                return self._finish_call(index, read_call(item, self._reply_id, index), custom=kind[0] == "c")
            case str():
                key = (index, 0)
                return [*self._blocks.start(key, Native("responses", item, needed=False)), *self._blocks.stop(key)]
            case _:
                raise ValueError("an item without its type")

    def _finish_reasoning(self, index: int, item: Body) -> list[Event]:
        key = (index, 0)
        seal = item.get("encrypted_content") or self._items.get(index, {}).get("encrypted_content")
        if key in self._parts:
            signature, sealed, origin = read_signature(seal)
            return self._stop(key, signature or sealed, origin)
        part = read_reasoning(item | {"encrypted_content": seal})
        if part is None:
            return []
        if part.sealed is not None:
            return [*self._start(key, part), *self._stop(key)]
        events = self._say(key, Reasoning(), part.text)
        return [*events, *self._stop(key, part.signature, part.origin)]

    def _finish_call(self, index: int, call: ToolCall, *, custom: bool) -> list[Event]:
        key = (index, 0)
        events = self._start(key, call)
        if custom:
            events += self._say(key, call, call.arguments)
        elif call.arguments != "{}" or not self._parts[key].text:
            events += self._say_rest(key, call, call.arguments)
        return [*events, *self._stop(key)]

    def _end(self, response: Body) -> list[Event]:
        events = self._begin(response)
        output = response.get("output") or []
        for index, item in enumerate(output):
            # Some servers do not repeat all items here; then the indices do not match.
            if not self._items or self._items.get(index, {}).get("type") == item.get("type"):
                events += self._finish_item(index, item)
        for index in self._items.keys() - self._done:
            events += self._give_up(index)
        self._ended = True
        reason = read_reason(response, calls=self._calls, refused=self._refused)
        usage = read_usage(response.get("usage")) or Usage()
        return [*events, *self._blocks.finish(), Finish(reason, usage=usage)]

    def _give_up(self, index: int) -> list[Event]:
        """Close an item whose end was not sent.

        Only the input of a custom tool, a call without pieces and the signature of reasoning are still missing.
        """
        item = self._items[index]
        pieces = self._parts[index, 0].pieces if (index, 0) in self._parts else []
        match item.get("type"):
            case "custom_tool_call":
                arguments = write_input("".join(pieces))
                return [*self._blocks.add((index, 0), arguments), *self._stop((index, 0))]
            case "function_call" if not pieces:
                return self._finish_call(index, read_call(item, self._reply_id, index), custom=False)
            case "reasoning":
                return self._finish_reasoning(index, item)
            case _:
                return []


def _object(event: Body, key: str) -> Body:
    value = event.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{event.get('type')} without its {key}")
    return value


def _item_id(event: Body) -> str:
    item = event.get("item")
    return str(item.get("id") if isinstance(item, dict) else event.get("item_id"))


def _number(event: Body, key: str) -> int:
    value = event.get(key) or 0
    if not isinstance(value, int):
        raise ValueError(f"{event.get('type')} whose {key} is no number")
    return value
