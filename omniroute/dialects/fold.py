"""Where whole replies and streams meet: events -> reply, reply -> events."""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from omniroute.dialects.ir import (
    Begin,
    Citation,
    Event,
    Finish,
    Native,
    Part,
    PartCite,
    PartDelta,
    PartStart,
    PartStop,
    Reasoning,
    Refusal,
    Reply,
    Text,
    TokenLogprob,
    ToolCall,
)


def fold(events: Iterable[Event]) -> Reply:
    """Put a finished stream together. ValueError when it has no beginning or no end."""
    begin: Begin | None = None
    parts: list[Part] = []
    start: Text | Refusal | Reasoning | ToolCall | Native = Text()
    pieces: list[str] = []
    citations: list[Citation] = []
    odds: list[TokenLogprob] = []
    for event in events:
        match event:
            case Begin():
                begin = event
            case PartStart(part=part):
                start, pieces, citations, odds = part, [], [], []
            case PartDelta(text=text):
                pieces.append(text)
                odds += event.odds
            case PartCite(citation=citation):
                citations.append(citation)
            case PartStop():
                whole = _close(start, "".join(pieces), tuple(citations), event)
                parts.append(replace(whole, odds=tuple(odds)) if isinstance(whole, Text) else whole)
            case Finish():
                if begin is None:
                    break
                return Reply(begin.id, tuple(parts), event.reason, event.stop_sequence, event.note, event.usage)
            case _:
                assert_never(event)
    raise ValueError("a stream of events without its beginning or its end cannot be folded")


def _close(
    start: Text | Refusal | Reasoning | ToolCall | Native,
    text: str,
    citations: tuple[Citation, ...],
    stop: PartStop,
) -> Part:
    match start:
        case Text():
            return replace(start, text=text, citations=citations)
        case Refusal():
            return Refusal(text)
        case Reasoning():
            return replace(start, text=text, signature=stop.signature, origin=stop.origin or start.origin)
        case ToolCall():
            return replace(start, arguments=text)
        case Native():
            return start
        case _:
            assert_never(start)


def unfold(reply: Reply) -> list[Event]:
    """Say a whole reply as a stream, each part in one piece."""
    events: list[Event] = [Begin(reply.id, reply.usage)]
    for index, part in enumerate(reply.parts):
        match part:
            case Text(text=text, citations=citations, odds=said):
                events.append(PartStart(index, replace(part, text="", citations=(), odds=())))
                events += [PartDelta(index, text, said)] if text or said else []
                events += [PartCite(index, citation) for citation in citations]
                events.append(PartStop(index))
            case Refusal(text=text):
                events += [PartStart(index, Refusal()), PartDelta(index, text), PartStop(index)]
            case Reasoning(text=text, signature=signature, origin=origin):
                events.append(PartStart(index, replace(part, text="", signature=None)))
                events += [PartDelta(index, text)] if text else []
                events.append(PartStop(index, signature, origin))
            case ToolCall(arguments=arguments):
                events.append(PartStart(index, replace(part, arguments="")))
                events += [PartDelta(index, arguments)] if arguments else []
                events.append(PartStop(index))
            case Native():
                events += [PartStart(index, part), PartStop(index)]
            case _:
                raise ValueError(f"a reply holds no {type(part).__name__}")
    return [*events, Finish(reply.reason, reply.stop_sequence, reply.note, reply.usage)]
