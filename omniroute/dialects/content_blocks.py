"""One part at a time: the pieces of parts that an upstream may interleave, put into the order of the grammar."""

import re
from collections import OrderedDict
from dataclasses import dataclass, field

from omniroute.dialects.ir import (
    Citation,
    Event,
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

MOST_PARTS = 4096
"""Parts of one reply: each takes far more memory than the bytes that announce it."""
MARKS = re.compile(r'["\\{}\[\]]')

type Start = Text | Refusal | Reasoning | ToolCall | Native


@dataclass(slots=True)
class _OpenBlock:
    part: Start
    pieces: list[str] = field(default_factory=list)
    odds: list[TokenLogprob] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    stopped: bool = False
    stop: tuple[str | None, str | None] = (None, None)


class ContentBlocks:
    """Lets one part through as it comes; what belongs to another part waits until that one is closed."""

    def __init__(self) -> None:
        self.open: object = None
        """The key of the part that is passing."""
        self._index = -1
        self._begun = 0
        self._waiting: OrderedDict[object, _OpenBlock] = OrderedDict()

    def start(self, key: object, part: Start) -> list[Event]:
        """Begin a part, now or when those before it are closed. ValueError for one too many."""
        self._begun += 1
        if self._begun > MOST_PARTS:
            raise ValueError(f"a reply of more than {MOST_PARTS} parts")
        if self.open is not None:
            self._waiting[key] = _OpenBlock(part)
            return []
        self.open = key
        self._index += 1
        return [PartStart(self._index, part)]

    def add(self, key: object, text: str, odds: tuple[TokenLogprob, ...] = ()) -> list[Event]:
        """Give the next piece of a part that was started. ValueError for one that was not, or is closed."""
        if not text and not odds:
            return []
        if key == self.open:
            return [PartDelta(self._index, text, odds)]
        if key in self._waiting:
            self._waiting[key].pieces.append(text)
            self._waiting[key].odds += odds
        elif not text.isspace():
            raise ValueError("a piece of a part that was closed before, or never begun")
        return []

    def cite(self, key: object, citation: Citation) -> list[Event]:
        if key == self.open:
            return [PartCite(self._index, citation)]
        if key in self._waiting:
            self._waiting[key].citations.append(citation)
        return []

    def holds(self, key: object) -> bool:
        """Whether a part may still go on: it is passing, or waits and was not stopped."""
        return key == self.open or (key in self._waiting and not self._waiting[key].stopped)

    def stop(self, key: object, signature: str | None = None, origin: str | None = None) -> list[Event]:
        """Close a part; the parts that waited for this follow."""
        if key != self.open:
            if key in self._waiting:
                self._waiting[key].stopped = True
                self._waiting[key].stop = (signature, origin)
            return []
        events: list[Event] = [PartStop(self._index, signature, origin)]
        self.open = None
        while self._waiting:
            self.open, held = self._waiting.popitem(last=False)
            self._index += 1
            events.append(PartStart(self._index, held.part))
            events += self.add(self.open, "".join(held.pieces), tuple(held.odds))
            events += [PartCite(self._index, citation) for citation in held.citations]
            if not held.stopped:
                break
            events.append(PartStop(self._index, *held.stop))
            self.open = None
        return events

    def finish(self) -> list[Event]:
        """Close whatever is open, in order."""
        events: list[Event] = []
        while self.open is not None:
            events += self.stop(self.open)
        return events


class Document:
    """Tells when JSON that comes in pieces is whole. It only counts brackets: it is about order, not about truth."""

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escape = -1
        self._begun = False

    def feed(self, piece: str) -> None:
        skip = self._escape
        self._escape = -1
        for mark in MARKS.finditer(piece):
            if mark.start() == skip:
                continue
            char = mark.group()
            if self._quoted:
                if char == "\\":
                    skip = mark.end()
                elif char == '"':
                    self._quoted = False
            elif char == '"':
                self._quoted = True
            elif char in "{[":
                self._depth += 1
                self._begun = True
            elif char in "}]":
                self._depth -= 1
        if skip == len(piece):
            self._escape = 0

    @property
    def whole(self) -> bool:
        return self._begun and self._depth <= 0 and not self._quoted
