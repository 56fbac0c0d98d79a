"""Mending a conversation: each call of a tool followed at once by its result, as every upstream demands it."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from omniroute.dialects.ir import Media, Message, Native, Part, Request, Tool, ToolCall, ToolResult
from omniroute.dialects.losses import Losses
from omniroute.dialects.validate import refuse


def repair_messages(messages: Iterable[Message], fit: Callable[[str], str], losses: Losses) -> list[Message]:
    """Put the results of a turn's calls into the message that follows it, in the order of the calls.

    A call without a result gets an empty one, a result without a call becomes what the user says; both
    are reported. Ids are fitted with `fit` and made unique: some clients count them anew in each turn.
    BadRequest where nobody says anything.
    """
    joined = _join_assistant(messages)
    answers, orphans = _pair(joined)
    mended: list[Message] = []
    seen: dict[str, int] = {}
    waiting: list[ToolResult] = []
    for place, message in enumerate(joined):
        if message.role == "user":
            parts = (*waiting, *_without_results(message, place, orphans))
            waiting.clear()
            if parts:
                mended.append(replace(message, parts=parts))
            continue
        _flush(mended, waiting)
        said: list[Part] = []
        for spot, part in enumerate(message.parts):
            if isinstance(part, ToolCall):
                call_id = _unique(fit(part.id), seen)
                if (result := answers.get((place, spot))) is None:
                    losses.add("messages.tool_call_without_result")
                    result = ToolResult(part.id)
                waiting.append(replace(result, call_id=call_id))
                part = replace(part, id=call_id)
            said.append(part)
        mended.append(replace(message, parts=tuple(said)))
    _flush(mended, waiting)
    if orphans:
        losses.add("messages.tool_result_without_call")
    if not mended:
        raise refuse("messages", "must hold at least one message with content")
    return mended


def refuse_media(message: Message, roles: Iterable[str]) -> None:
    """Refuse pictures and files where the provider takes text only; documents of plain text are text."""
    for part in message.parts if message.role in roles else ():
        if isinstance(part, Media) and not (part.data is not None and (part.mime or "").startswith("text/")):
            raise refuse(part.path, f"stands in a message of {message.role}, where the provider takes text only")


def _without_results(message: Message, place: int, orphans: set[tuple[int, int]]) -> Iterator[Part]:
    for spot, part in enumerate(message.parts):
        if not isinstance(part, ToolResult):
            yield part
        elif (place, spot) in orphans:
            yield from part.parts


def _flush(mended: list[Message], waiting: list[ToolResult]) -> None:
    if waiting:
        mended.append(Message("user", tuple(waiting)))
        waiting.clear()


def _unique(call_id: str, seen: dict[str, int]) -> str:
    fresh = call_id
    while fresh in seen:
        seen[call_id] += 1
        tail = f"_{seen[call_id]}"
        fresh = call_id[: 40 - len(tail)] + tail
    seen[fresh] = 1
    return fresh


def _join_assistant(messages: Iterable[Message]) -> list[Message]:
    """Make one turn of neighbours: a client may say a call and the text beside it in two messages."""
    joined: list[Message] = []
    for message in messages:
        if joined and message.role == "assistant" == joined[-1].role:
            before = joined[-1]
            extra = {name: {**before.extra.get(name, {}), **fields} for name, fields in message.extra.items()}
            joined[-1] = replace(before, parts=before.parts + message.parts, extra={**before.extra, **extra})
        else:
            joined.append(message)
    return joined


def _pair(messages: list[Message]) -> tuple[dict[tuple[int, int], ToolResult], set[tuple[int, int]]]:
    """Find the result of each call, wherever it stands after it, and the results that have no call.

    A call of an earlier turn that has none gets none any more when its id comes again.
    """
    open_calls: dict[str, deque[tuple[int, int]]] = defaultdict(deque)
    answers: dict[tuple[int, int], ToolResult] = {}
    orphans: set[tuple[int, int]] = set()
    for place, message in enumerate(messages):
        for spot, part in enumerate(message.parts):
            if isinstance(part, ToolCall):
                again = open_calls[part.id]
                if again and again[-1][0] != place:
                    again.clear()
                again.append((place, spot))
            elif isinstance(part, ToolResult):
                if calls := open_calls.get(part.call_id):
                    answers[calls.popleft()] = part
                else:
                    orphans.add((place, spot))
    return answers, orphans


def pair_tool_results(request: Request, losses: Losses) -> Request:
    """Give the request with each tool once, as it was offered last. BadRequest for a choice of what is not offered."""
    offered: dict[str, Tool] = {}
    for tool in request.tools:
        if isinstance(tool, Tool):
            if tool.name in offered and offered[tool.name] != tool:
                losses.add("tools.duplicate")
            offered[tool.name] = tool
    if (choice := request.tool_choice) and request.tools and not any(isinstance(t, Native) for t in request.tools):
        for name in (*choice.allowed, *([choice.name] if choice.name is not None else [])):
            if name not in offered:
                raise refuse("tool_choice", f"names {name!r}, which is not among the tools that are offered")
    if len(offered) == sum(isinstance(tool, Tool) for tool in request.tools):
        return request
    once: dict[str | int, Tool | Native] = {}
    for place, tool in enumerate(request.tools):
        if isinstance(tool, Tool):
            once[tool.name] = offered[tool.name]
        else:
            once[place] = tool
    return replace(request, tools=tuple(once.values()))
