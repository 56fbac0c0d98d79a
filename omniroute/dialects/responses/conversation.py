"""What a provider that keeps replies knows of a conversation, done here for those that keep none.

A request that names the reply before it holds only what is new. For a provider that does not know that reply the
earlier input and output are put in front: all of the conversation, but neither `instructions` nor `tools`, which
OpenAI too takes from the newest request alone
(https://developers.openai.com/api/docs/guides/conversation-state).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import orjson

from omniroute.dialects import sse
from omniroute.dialects.ir import Body
from omniroute.dialects.json_edit import dump
from omniroute.dialects.losses import Losses, WrittenRequest
from omniroute.dialects.tool_names import derive_id
from omniroute.errors import BadRequest

REFERENCE = "item_reference"
WHOLE = ("completed", "incomplete")
"""What a reply ends as when it can be gone on from."""
ELSEWHERE = ("conversation", "background")
"""Fields that put the conversation, or the reply itself, where only its provider can find it."""


NOTHING_FOUND: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """What a request added to its conversation, and the reply to it."""

    input: list[Any]
    output: list[Any]
    account: str = ""
    """Who answered."""
    native: bool = False
    """In this dialect, so that the provider knows the reply by the id that the client has."""
    found: "Mapping[str, StoredTurn]" = NOTHING_FOUND
    """Id of an item that the input only refers to -> the turn that had it."""
    size: int = 0
    """Bytes of all that."""


@dataclass(frozen=True, slots=True)
class TurnTarget:
    """Who is asked, as far as it matters here."""

    account: str
    native: bool
    """It is asked in this dialect."""
    keeps: bool
    """And knows its own replies by their ids."""

    def made(self, turn: StoredTurn) -> bool:
        return turn.native and turn.account == self.account


@dataclass(slots=True)
class StoredConversation:
    """What a request goes on from, as far as it is kept here."""

    previous: str | None = None
    """The reply before, as the request names it."""
    place: tuple[str, str] | None = None
    """By the store's names the exchange of that reply, and its conversation; None where it is not kept here."""
    answered: str = ""
    """The account that knows that reply by the client's own name for it."""
    turns: tuple[StoredTurn, ...] | None = None
    """All turns up to that reply, the oldest first, once they are looked up."""
    found: Mapping[str, StoredTurn] = NOTHING_FOUND
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


def passes(recalled: StoredConversation, upstream: TurnTarget) -> bool:
    """Whether an upstream can take the request as it came."""
    if not upstream.native:
        return False
    keeps = upstream.keeps and not recalled.refused
    if recalled.previous is not None:
        # What is not kept here an upstream may know all the same.
        return recalled.place is None or (keeps and recalled.answered == upstream.account)
    return all(keeps and upstream.made(turn) for turn in recalled.found.values())


def write_for(recalled: StoredConversation, body: Body, upstream: TurnTarget) -> WrittenRequest:
    """Say the request with all that it goes on from. BadRequest when that is not here."""
    if recalled.previous is not None and recalled.turns is None:
        raise not_found(recalled.previous)
    if recalled.refused:
        upstream = replace(upstream, keeps=False)
    losses = Losses()
    said: list[Any] = []
    for turn in recalled.turns or ():
        said += [known for item in turn.input for known in _resolved(item, turn.found, upstream, losses)]
        said += [told for item in turn.output for told in _told(item, turn, upstream, losses)]
    said += [known for item in items_of(body) for known in _resolved(item, recalled.found, upstream, losses)]
    rest = {key: value for key, value in body.items() if key != "previous_response_id"}
    return WrittenRequest(rest | {"input": said}, losses.names)


def _told(item: Any, turn: StoredTurn, upstream: TurnTarget, losses: Losses) -> list[Any]:
    """Give an item of an earlier reply as an upstream can take it: ids and seals mean something to who made them."""
    if not upstream.native or not isinstance(item, dict):
        return [item]  # what another dialect can take of it is its reader's and writer's to say
    kind = item.get("type")
    if upstream.made(turn):
        if kind != "reasoning" or upstream.keeps or item.get("encrypted_content") or item.get("content"):
            return [item]
        return []  # without its seal it only refers to what is not kept
    if kind == "reasoning":
        losses.add("input.reasoning")
        return []
    if kind in {"message", "function_call", "custom_tool_call"}:
        return _without_ids(item)
    return [item]


def _resolved(item: Any, found: Mapping[str, StoredTurn], upstream: TurnTarget, losses: Losses) -> list[Any]:
    if not _refers(item) or (turn := found.get(item["id"])) is None:
        return [item]
    if upstream.keeps and upstream.made(turn):
        return [item]
    return _told(find_item(turn, item["id"]), turn, upstream, losses)


def _without_ids(item: Body) -> list[Body]:
    """Say an item as somebody would who never had it from a provider: text as plain as every server takes it."""
    plain = {key: value for key, value in item.items() if key not in {"id", "status"}}
    content = item.get("content")
    if content == []:
        return []  # a message without a word
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "output_text" for part in content
    ):
        plain["content"] = "".join(str(part.get("text") or "") for part in content)
    return [plain]


def find_item(turn: StoredTurn, item_id: str) -> Any:
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


def pack(given: list[Any], found: Mapping[str, StoredTurn], response: Body) -> bytes:
    """Write what is kept of a turn, with the items that its input refers to: they may be forgotten before it is."""
    kept: Body = {"input": given, "response": response}
    if found:
        kept["found"] = [
            {"account": turn.account, "native": turn.native, "item": find_item(turn, item_id)}
            for item_id, turn in found.items()
        ]
    return dump(kept)


def unpack(content: bytes, account: str, *, native: bool) -> tuple[StoredTurn, Body]:
    """Read what `pack` wrote: the turn, and its reply as the client had it."""
    kept = orjson.loads(content)
    found = {
        each["item"]["id"]: StoredTurn([], [each["item"]], each["account"], each["native"])
        for each in kept.get("found", ())
    }
    return StoredTurn(kept["input"], kept["response"]["output"], account, native, found, len(content)), kept["response"]


def item_ids(response: Body) -> tuple[str, ...]:
    """Give the ids by which the items of a reply can be referred to."""
    ids = (item.get("id") for item in response["output"] if isinstance(item, dict))
    return tuple(dict.fromkeys(name for name in ids if isinstance(name, str) and name))


def list_input(
    response_id: str, turns: tuple[StoredTurn, ...], *, after: str | None, limit: int, newest_first: bool
) -> Body:
    """Write a page of what led to the reply that ends `turns`; BadRequest for an item that is not there."""
    *earlier, last = turns
    items = [item for turn in earlier for item in (*_in_full(turn), *turn.output)] + _in_full(last)
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


def _in_full(turn: StoredTurn) -> list[Any]:
    known = {item_id: find_item(holder, item_id) for item_id, holder in turn.found.items()}
    return [known.get(item["id"], item) if _refers(item) else item for item in turn.input]


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
