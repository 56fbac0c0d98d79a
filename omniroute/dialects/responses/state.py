"""What a provider that keeps replies knows of a conversation, done here for those that keep none.

A request that names the reply before it holds only what is new. For a provider that does not know that reply the
earlier input and output are put in front: all of the conversation, but neither `instructions` nor `tools`, which
OpenAI too takes from the newest request alone
(https://developers.openai.com/api/docs/guides/conversation-state).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson

from omniroute.dialects import sse
from omniroute.dialects.ir import Body
from omniroute.dialects.jsonish import dump
from omniroute.dialects.names import derive_id
from omniroute.dialects.written import Losses, Written
from omniroute.errors import BadRequest

REFERENCE = "item_reference"
WHOLE = ("completed", "incomplete")
"""What a reply ends as when it can be gone on from."""
ELSEWHERE = ("conversation", "background")
"""Fields that put the conversation, or the reply itself, where only its provider can find it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a request added to its conversation, and the reply to it."""

    input: list[Any]
    output: list[Any]
    account: str = ""
    """Who answered."""
    native: bool = False
    """In this dialect, so that the provider knows the reply by the id that the client has."""


@dataclass(slots=True)
class Recalled:
    """What a request goes on from, as far as it is kept here."""

    previous: str | None = None
    """The reply before, as the request names it."""
    place: tuple[str, str] | None = None
    """By the store's names the exchange of that reply, and its conversation; None where it is not kept here."""
    answered: str = ""
    """The account that knows that reply by the client's own name for it."""
    turns: tuple[Turn, ...] | None = None
    """All turns up to that reply, the oldest first, once they are looked up."""
    items: Mapping[str, Turn] = field(default_factory=lambda: MappingProxyType({}))
    """Id of an item that the request refers to -> the turn that has it."""
    refused: bool = False
    """The provider that answered before says that it does not know that reply: it may keep none for this account."""


def reply_id(seed: str) -> str:
    """Make the id of a reply whose upstream's own may come again, or is of another dialect."""
    return derive_id("resp_", seed)


def is_kept(body: Body) -> bool:
    """Whether the client wants to go on from the reply, and it is ours to keep."""
    return body.get("store") is not False and not any(body.get(name) for name in ELSEWHERE)


def previous_of(body: Body) -> str | None:
    """Give the id of the reply that a request goes on from."""
    named = body.get("previous_response_id")
    return named if isinstance(named, str) and named else None


def not_found(named: str) -> BadRequest:
    """Refuse a request in OpenAI's own words, with the code by which clients know to send all of it again."""
    return BadRequest(
        f"Previous response with id '{named[:200]}' not found. It was not kept here, or not for this key, or not "
        "for so long: send the whole conversation as `input`",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def items_of(body: Body) -> list[Any]:
    """Give the input as items; what is neither text nor a list has none, and is its reader's to refuse."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return given if isinstance(given, list) else []


def references(items: list[Any]) -> list[str]:
    """Give the ids of items that are only referred to."""
    return [item["id"] for item in items if _refers(item)]


def _refers(item: Any) -> bool:
    # The type may be left out, as the SDK has it: then an id is all there is.
    return (
        isinstance(item, dict)
        and isinstance(item.get("id"), str)
        and (item.get("type") == REFERENCE or (item.get("type") is None and item.keys() <= {"id", "type"}))
    )


def passes(recalled: Recalled, *, account: str, native: bool, keeps: bool) -> bool:
    """Whether an account can take the request as it came.

    `native` is one that is asked in this dialect, `keeps` one that also knows its own replies.
    """
    if not native:
        return False
    keeps = keeps and not recalled.refused
    if recalled.previous is not None:
        # What is not kept here an upstream may know all the same.
        return recalled.place is None or (keeps and recalled.answered == account)
    return all(keeps and _is(turn, account) for turn in recalled.items.values())


def write_for(recalled: Recalled, body: Body, *, account: str, native: bool, keeps: bool) -> Written:
    """Say the request with all that it goes on from. BadRequest when that is not here."""
    keeps = keeps and not recalled.refused
    if recalled.previous is not None and recalled.turns is None:
        raise not_found(recalled.previous)
    losses = Losses()
    said = [item for turn in recalled.turns or () for item in _said(turn, account, native, keeps, losses)]
    new = [_resolved(item, recalled, account, native, keeps, losses) for item in items_of(body)]
    rest = {key: value for key, value in body.items() if key != "previous_response_id"}
    return Written(rest | {"input": [*said, *(item for item in new if item is not None)]}, losses.names)


def _is(turn: Turn, account: str) -> bool:
    return turn.native and turn.account == account


def _said(turn: Turn, account: str, native: bool, keeps: bool, losses: Losses) -> Iterator[Any]:
    yield from turn.input
    for item in turn.output:
        if (own := _as_told(item, turn, account, native, keeps, losses)) is not None:
            yield own


def _as_told(item: Any, turn: Turn, account: str, native: bool, keeps: bool, losses: Losses) -> Any:
    """Give an item of an earlier reply as the account can take it: ids and seals mean something to who made them."""
    if not native or not isinstance(item, dict):
        return item  # what another dialect can take of it is its reader's and writer's to say
    kind = item.get("type")
    if _is(turn, account):
        if kind != "reasoning" or keeps or item.get("encrypted_content") or item.get("content"):
            return item
        return None  # a reasoning without its seal is but a reference to what is not kept
    if kind == "reasoning":
        losses.add("input.reasoning")
        return None
    if kind in {"message", "function_call", "custom_tool_call"}:
        return _without_ids(item)
    return item


def _without_ids(item: Body) -> Body | None:
    """Say an item as somebody would who never had it from a provider: text as plain as every server takes it.

    None for a message without a word.
    """
    plain = {key: value for key, value in item.items() if key not in {"id", "status"}}
    content = item.get("content")
    if content == []:
        return None
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "output_text" for part in content
    ):
        plain["content"] = "".join(str(part.get("text") or "") for part in content)
    return plain


def _resolved(item: Any, recalled: Recalled, account: str, native: bool, keeps: bool, losses: Losses) -> Any:
    if not _refers(item) or (turn := recalled.items.get(item["id"])) is None:
        return item
    if keeps and _is(turn, account):
        return item
    return _as_told(find_item(turn, item["id"]), turn, account, native, keeps, losses)


def find_item(turn: Turn, item_id: str) -> Any:
    """Give the item of a reply that has this id; None where it has none."""
    return next((item for item in turn.output if isinstance(item, dict) and item.get("id") == item_id), None)


# What is kept


def read_end(raw: bytes) -> Body | None:
    """Read a whole reply, or the last frames of a stream; None for one that cannot be gone on from."""
    text = raw.lstrip()
    if text.startswith(b"{"):
        response = orjson.loads(text)
    else:
        decoder = sse.Decoder()
        frames = [frame for frame in (*decoder.feed(raw), *decoder.finish()) if frame.data]
        response = orjson.loads(frames[-1].data).get("response")
    if not isinstance(response, dict) or response.get("status") not in WHOLE:
        return None
    if not isinstance(response.get("output"), list) or not isinstance(response.get("id"), str):
        return None
    return response


def pack(given: list[Any], recalled: Recalled | None, response: Body) -> bytes:
    """Write what is kept of a turn; what the input only refers to becomes the thing itself where that is known."""
    items = recalled.items if recalled else {}
    known = [
        find_item(items[item["id"]], item["id"]) if _refers(item) and item["id"] in items else item for item in given
    ]
    return dump({"input": known, "response": response})


def unpack(content: bytes) -> tuple[list[Any], Body]:
    """Read what `pack` wrote: the input that the turn added, and the reply."""
    kept = orjson.loads(content)
    return kept["input"], kept["response"]


def item_ids(response: Body) -> tuple[str, ...]:
    """Give the ids by which the items of a reply can be referred to."""
    ids = (item.get("id") for item in response["output"] if isinstance(item, dict))
    return tuple(dict.fromkeys(name for name in ids if isinstance(name, str) and name))


def list_input(response_id: str, turns: tuple[Turn, ...], *, after: str | None, limit: int, newest_first: bool) -> Body:
    """Write a page of what led to the reply that ends `turns`; BadRequest for an item that is not there."""
    *earlier, last = turns
    items = [item for turn in earlier for item in (*turn.input, *turn.output)] + last.input
    shown = [_shown(item, response_id, place) for place, item in enumerate(items)]
    if newest_first:
        shown.reverse()
    start = 0
    if after is not None:
        places = [place for place, item in enumerate(shown) if item["id"] == after]
        if not places:
            raise BadRequest(f"there is no item {after[:200]!r} in the input of this response", param="after")
        start = places[0] + 1
    page = shown[start : start + limit]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return {"object": "list", "data": page, **ends, "has_more": start + limit < len(shown)}


PREFIXES = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "function_call_output": "fco_"}


def _shown(item: Any, response_id: str, place: int) -> Body:
    """Write an item in full: a list names each by an id."""
    full: Body = {"type": "message", **item} if isinstance(item, dict) else {"type": "unknown", "value": item}
    if full["type"] == "message" and isinstance(text := full.get("content"), str):
        kind = "output_text" if full.get("role") == "assistant" else "input_text"
        notes: Body = {"annotations": []} if kind == "output_text" else {}
        full["content"] = [{"type": kind, "text": text, **notes}]
    if not isinstance(full.get("id"), str):
        full["id"] = derive_id(PREFIXES.get(str(full["type"]), "item_"), response_id, place)
    return full
