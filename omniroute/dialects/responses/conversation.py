"""Server-side conversation state for upstreams that keep none, or do not know the reply a request continues.

A request with `previous_response_id` holds only the new input. For an upstream that does not know that reply, the
earlier input and output are put before it: the whole conversation, but neither `instructions` nor `tools`, which
OpenAI too takes from the newest request alone (https://developers.openai.com/api/docs/guides/conversation-state).
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
"""Statuses of a reply that a later request can continue."""
ELSEWHERE = ("conversation", "background")
"""Fields that store the conversation, or the reply itself, where only its provider can find it."""


NOTHING_FOUND: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """The input that a request added to its conversation, and the output of the reply."""

    input: list[Any]
    output: list[Any]
    account: str = ""
    """Id of the account that answered."""
    native: bool = False
    """Whether the upstream speaks this dialect, so that it knows the reply by the id that the client has."""
    found: "Mapping[str, StoredTurn]" = NOTHING_FOUND
    """Items that the input only refers to: item id -> the turn that contains the item."""
    size: int = 0
    """Size of the stored turn in bytes."""


@dataclass(frozen=True, slots=True)
class TurnTarget:
    """The properties of an upstream target that decide how a stored conversation is sent to it."""

    account: str
    native: bool
    """Whether the request is sent in this dialect."""
    keeps: bool
    """Whether the upstream stores its replies and finds them by id."""

    def made(self, turn: StoredTurn) -> bool:
        return turn.native and turn.account == self.account


@dataclass(slots=True)
class StoredConversation:
    """The stored conversation that a request continues, as far as it is known."""

    previous: str | None = None
    """The request's `previous_response_id`."""
    place: tuple[str, str] | None = None
    """Ids of that reply's exchange and of its conversation in the store; None if it is not stored here."""
    answered: str = ""
    """The account that knows that reply by the client's id."""
    turns: tuple[StoredTurn, ...] | None = None
    """All turns up to that reply, the oldest first; None before they are looked up."""
    found: Mapping[str, StoredTurn] = NOTHING_FOUND
    """Items that the request refers to: item id -> the turn that contains the item."""
    refused: bool = False
    """Whether the provider that answered before rejected the id of that reply; it may store none for this account."""


def reply_id(seed: str) -> str:
    """Make a reply id for an upstream of another dialect, or for one whose ids may repeat."""
    return derive_id("resp_", seed)


def is_kept(body: Body) -> bool:
    """Return whether the reply is to be stored here, so that a later request can continue it."""
    return body.get("store") is not False and not any(body.get(name) for name in ELSEWHERE)


def previous_of(body: Body) -> str | None:
    """Return the `previous_response_id` of a request; None without one."""
    named = body.get("previous_response_id")
    return named if isinstance(named, str) and named else None


def not_found(named: str) -> BadRequest:
    """Return the error for an unknown reply, with OpenAI's message and the code on which clients resend everything."""
    return BadRequest(
        f"Previous response with id '{named[:200]}' not found. It was not kept here, or not for this key, or not "
        "for so long: send the whole conversation as `input`",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def items_of(body: Body) -> list[Any]:
    """Return the input as a list of items; empty for an input of the wrong type, which the reader rejects."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return given if isinstance(given, list) else []


def references(items: list[Any]) -> list[str]:
    """Return the ids of all item references."""
    return [item["id"] for item in items if _refers(item)]


def _refers(item: Any) -> bool:
    # The type may be left out, as in the SDK; then the item has nothing but an id.
    return (
        isinstance(item, dict)
        and isinstance(item.get("id"), str)
        and (item.get("type") == REFERENCE or (item.get("type") is None and item.keys() <= {"id", "type"}))
    )


def passes(recalled: StoredConversation, upstream: TurnTarget) -> bool:
    """Return whether an upstream can take the request unchanged."""
    if not upstream.native:
        return False
    keeps = upstream.keeps and not recalled.refused
    if recalled.previous is not None:
        # A reply that is not stored here may still be known to the upstream.
        return recalled.place is None or (keeps and recalled.answered == upstream.account)
    return all(keeps and upstream.made(turn) for turn in recalled.found.values())


def write_for(recalled: StoredConversation, body: Body, upstream: TurnTarget) -> WrittenRequest:
    """Write the request with the whole conversation that it continues.

    Raise BadRequest if that conversation is not stored here.
    """
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
    """Return an item of an earlier reply as an upstream can take it.

    Ids and encrypted reasoning are valid only at the account that made them.
    """
    if not upstream.native or not isinstance(item, dict):
        return [item]  # the reader and writer of the other dialect decide what to keep
    kind = item.get("type")
    if upstream.made(turn):
        if kind != "reasoning" or upstream.keeps or item.get("encrypted_content") or item.get("content"):
            return [item]
        return []  # without encrypted content, it only refers to an item that the upstream does not store
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
    """Return the item without provider ids, with its text as a plain string, which every server accepts."""
    plain = {key: value for key, value in item.items() if key not in {"id", "status"}}
    content = item.get("content")
    if content == []:
        return []  # an empty message
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "output_text" for part in content
    ):
        plain["content"] = "".join(str(part.get("text") or "") for part in content)
    return [plain]


def find_item(turn: StoredTurn, item_id: str) -> Any:
    """Return the item of a reply with this id; None if there is none."""
    return next((item for item in turn.output if isinstance(item, dict) and item.get("id") == item_id), None)


# Reading and writing of stored turns


def read_end(raw: bytes) -> Body | None:
    """Read a whole reply, or the last frames of a stream; None for a reply that cannot be continued."""
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
    """Serialize a turn with the items that its input refers to, as they may be deleted before it is."""
    kept: Body = {"input": given, "response": response}
    if found:
        kept["found"] = [
            {"account": turn.account, "native": turn.native, "item": find_item(turn, item_id)}
            for item_id, turn in found.items()
        ]
    return dump(kept)


def unpack(content: bytes, account: str, *, native: bool) -> tuple[StoredTurn, Body]:
    """Read what `pack` wrote: return the turn, and the reply as the client received it."""
    kept = orjson.loads(content)
    found = {
        each["item"]["id"]: StoredTurn([], [each["item"]], each["account"], each["native"])
        for each in kept.get("found", ())
    }
    return StoredTurn(kept["input"], kept["response"]["output"], account, native, found, len(content)), kept["response"]


def item_ids(response: Body) -> tuple[str, ...]:
    """Return the ids by which the items of a reply can be referred to."""
    ids = (item.get("id") for item in response["output"] if isinstance(item, dict))
    return tuple(dict.fromkeys(name for name in ids if isinstance(name, str) and name))


def list_input(
    response_id: str, turns: tuple[StoredTurn, ...], *, after: str | None, limit: int, newest_first: bool
) -> Body:
    """Write a page of the input items of the reply that ends `turns`.

    Raise BadRequest if there is no item with the id `after`.
    """
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
    """Write an item in full for a list, with an id."""
    full: Body = {"type": "message", **item} if isinstance(item, dict) else {"type": "unknown", "value": item}
    if full["type"] == "message" and isinstance(text := full.get("content"), str):
        kind = "output_text" if full.get("role") == "assistant" else "input_text"
        notes: Body = {"annotations": []} if kind == "output_text" else {}
        full["content"] = [{"type": kind, "text": text, **notes}]
    if not isinstance(full.get("id"), str):
        full["id"] = derive_id(PREFIXES.get(str(full["type"]), "item_"), response_id, place)
    return full
