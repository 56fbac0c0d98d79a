"""An answer that broke off, gone on with by another upstream: what that one is asked, and how its words are joined."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from omniroute.dialects.claude import capabilities
from omniroute.dialects.dialect import UNREADABLE
from omniroute.dialects.ir import (
    Begin,
    Body,
    Event,
    Finish,
    PartDelta,
    PartStart,
    PartStop,
    Reasoning,
    Text,
    Usage,
)
from omniroute.dialects.json_edit import load_object
from omniroute.dialects.resume_overlap import Overlap, OverlapNotFound, ResumableText
from omniroute.dialects.sse import Frame
from omniroute.dialects.token_usage import has_counts
from omniroute.dialects.translate import CODECS, NO_NAMES, Translator, Writer
from omniroute.errors import BadRequest

CONTINUE_PROMPT = (
    "Your answer was interrupted. Continue it exactly where it stopped, in the same language and format. "
    "Repeat nothing of it, and say nothing about the interruption."
)
ALONE = {"n": 1, "logprobs": False, "top_logprobs": 0}
"""What is asked of the answer as a whole, and not known of half of it; with what asks for nothing."""


def can_continue(client: str, body: Body) -> bool:
    """Say whether half an answer to this request can be gone on from: it is one text, and no document."""
    try:
        request = CODECS[client].read_request(body)
    except (BadRequest, *UNREADABLE):
        return False
    tuning = request.tuning
    asks = any((tuning.get(key) or nothing) != nothing for key, nothing in ALONE.items())
    return request.format is None and not request.needs and not asks


def continuation_request(client: str, body: Body, text: str, *, prefill: bool) -> Body:
    """Add to a client's request what was answered; `prefill` where an assistant's turn at the end is gone on from."""
    key = {"responses": "input", "gemini": "contents"}.get(client, "messages")
    turns = body.get(key)
    if isinstance(turns, str):
        turns = [{"role": "user", "content": turns}]
    elif not isinstance(turns, list):
        turns = [] if turns is None else [turns]
    if prefill:
        text = text.rstrip()  # Anthropic refuses white space at the end of a turn that is gone on from
    if client == "gemini":
        said: list[Body] = [
            {"role": "model", "parts": [{"text": text}]},
            {"role": "user", "parts": [{"text": CONTINUE_PROMPT}]},
        ]
    else:
        said = [{"role": "assistant", "content": text}, {"role": "user", "content": CONTINUE_PROMPT}]
    return body | {key: [*turns, *(said[:1] if prefill else said)]}


def takes_prefill(client: str, upstream: str, model: str, body: Body) -> bool:
    """Say whether a model goes on from an assistant's turn at the end: Claude does, where it does not think."""
    if upstream != "claude" or not capabilities.takes_prefill(model):
        return False
    return CODECS[client].read_request(body).thinking is None


class ResumedStream:
    """Reads what passes untouched, so that another upstream may go on from it; what it cannot read ends that."""

    def __init__(self, client: str, *, model: str, include_usage: bool, created: int) -> None:
        self.said = ResumableText()
        self.way = Translator(client, client, model=model, include_usage=include_usage, created=created, said=self.said)

    def feed(self, frame: Frame) -> None:
        try:
            self.way.feed(frame)
            if not self.way.ended:
                self.way.writer.follow(load_object(frame.data))
        except UNREADABLE:
            self.said.spoil()


class ContinuationWriter(Translator):
    """A translator whose writer has said the beginning of the answer already."""

    def __init__(
        self,
        client: str,
        upstream: str,
        *,
        writer: Writer,
        said: ResumableText,
        spent: Usage,
        names: Mapping[str, str] = NO_NAMES,
    ) -> None:
        """Take what has told the client the beginning, and what that has cost."""
        super().__init__(client, upstream, model="", names=names, said=said, writer=writer)
        self._overlap = Overlap(said.text)
        self._spent = spent
        self._is_open = True
        """The text that was broken off is still being said."""
        self._muted: int | None = None
        self._heard = False

    def _write(self, events: Iterable[Event]) -> bytes:
        return super()._write(self._joined(events))

    def _joined(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, PartStart) and isinstance(event.part, Reasoning):
                self._muted = event.index  # the client has seen the thinking of the beginning
            if isinstance(event, Begin) or getattr(event, "index", None) == self._muted is not None:
                continue
            if isinstance(event, Finish):
                yield from self._end(event)
            elif self._is_open:
                yield from self._fit(event)
            else:
                yield event

    def _fit(self, event: Event) -> Iterator[Event]:
        """Make an event part of the text that was broken off, or end that first."""
        match event:
            case PartStart(part=Text()):
                pass
            case PartDelta(index=index, text=text):
                self._heard = self._heard or bool(text)
                if new := self._overlap.feed(text):
                    yield PartDelta(index, new)
            case PartStop(index=index):
                if self._heard:
                    yield from self._close(index)
            case PartStart(index=index):
                yield from self._close(index)
                yield event
            case _:
                yield event

    def _end(self, finish: Finish) -> Iterator[Event]:
        if self._is_open and not self._heard:
            raise OverlapNotFound("nothing was said after what had been said before")
        yield from self._close(0)
        yield replace(finish, usage=has_counts(self._spent, finish.usage))

    def _close(self, index: int) -> Iterator[Event]:
        """End the text that was broken off, once."""
        if self._is_open:
            rest = self._overlap.finish()
            self._is_open = False
            if rest:
                yield PartDelta(index, rest)
            yield PartStop(index)
