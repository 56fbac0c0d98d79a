"""OpenAI Responses remembers: keeps replies, finds what a request goes on from, and answers what is asked of them."""

import asyncio
from concurrent.futures import Future
from functools import partial

from mitmproxy import http

from omniroute.addons.guard import guard
from omniroute.addons.response_headers import json_answer
from omniroute.dialects.ir import Body
from omniroute.dialects.json_edit import dump
from omniroute.dialects.responses import conversation
from omniroute.dialects.responses.conversation import StoredConversation, TurnTarget
from omniroute.errors import BadRequest, GatewayError, NotFound
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.ports import BIG
from omniroute.routing.failures import Failure
from omniroute.routing.plan import Target
from omniroute.store.db.files import StoreError
from omniroute.store.state.conversation_keeper import ConversationKeeper, PendingTurn

OURS = ("reply", "forget", "reply_input", "cancel")
PAGE, MOST_OF_PAGE = 20, 100
FORGOTTEN = ("previous_response", "previous response", "response with id")
"""How providers name a reply that they do not know, or keep for nobody of this account."""


class Conversations:
    name = "omniroute.recall"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Find what a request names, and answer what is about a kept reply itself."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or not exchange.claimed or exchange.dialect != "responses":
            return
        if exchange.claimed.kind == "chat":
            previous = conversation.previous_of(exchange.body)
            items = (
                conversation.references(conversation.items_of(exchange.body)) if b'"id"' in exchange.raw_body else []
            )
            if previous is not None or items:
                exchange.recalled = await _found(_keeper(self.runtime).recall(previous, items, _owner(exchange)))
        elif exchange.claimed.kind in OURS:
            flow.response = json_answer(200, await self._answer(flow, exchange, exchange.claimed.reply or ""))

    def response(self, flow: http.HTTPFlow) -> None:
        """Keep a whole reply, before its client can go on from it."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange and (served := exchange.served) and served.attempt.stream is None and flow.response:
            keep(self.runtime, exchange, served.target, flow.response.raw_content or b"")

    async def _answer(self, flow: http.HTTPFlow, exchange: Exchange, reply: str) -> Body:
        assert exchange.claimed
        keeper, owner, query = _keeper(self.runtime), _owner(exchange), flow.request.query
        match exchange.claimed.kind:
            case "forget":
                if not await _found(keeper.forget(reply, owner)):
                    raise _unknown(reply)
                return {"id": reply, "object": "response", "deleted": True}
            case "reply_input":
                turns = await _found(keeper.turns_of(reply, owner, self.runtime.limits.max_body))
                if turns is None:
                    raise _unknown(reply)
                limit, newest = _limit(query.get("limit")), _newest_first(query.get("order"))
                page = partial(
                    conversation.list_input, reply, turns, after=query.get("after"), limit=limit, newest_first=newest
                )
                return await asyncio.to_thread(page)
            case kind:
                shown = await _found(keeper.show(reply, owner))
                if shown is None:
                    raise _unknown(reply)
                if kind == "cancel":
                    raise BadRequest("only a response in the background can be cancelled, and there are none here")
                if query.get("stream") not in {None, "false"}:
                    raise BadRequest("a kept response is told whole: ask without `stream`", param="stream")
                return shown


def keep(runtime: Runtime, exchange: Exchange, target: Target, ending: bytes) -> None:
    """Keep the reply that the client is about to get, if it is one to be gone on from. Never raises."""
    if runtime.keeper is None or not keeps(runtime, exchange):
        return
    draft = PendingTurn(
        exchange=exchange.id,
        owner=_owner(exchange),
        account=target.account.id,
        native=target.dialect == "responses" and exchange.broken is None,  # else it knows a part only
        input=conversation.items_of(exchange.body),
        recalled=exchange.recalled,
        ending=ending,
        size=len(exchange.raw_body) + len(ending),
    )
    limits = runtime.limits
    runtime.keeper.keep(draft, ttl=limits.response_ttl, most=limits.response_store)


def keeps(runtime: Runtime, exchange: Exchange) -> bool:
    """Whether the reply to this request is kept."""
    return exchange.dialect == "responses" and runtime.limits.response_ttl > 0 and conversation.is_kept(exchange.body)


async def request_for_target(
    runtime: Runtime, exchange: Exchange, target: Target
) -> tuple[bytes, Body, tuple[str, ...]]:
    """Give the client's request as this target can take it, raw and read, and what is lost of it.

    What the request goes on from is looked up only here: a provider that knows it needs nothing of ours.
    """
    body, recalled = exchange.body, exchange.recalled
    native = target.dialect == exchange.dialect
    if not native and body.get("store") and keeps(runtime, exchange):
        body = {key: value for key, value in body.items() if key != "store"}  # it is done here
    upstream = TurnTarget(target.account.id, native, target.provider.quirks.keeps_state)
    if recalled is None or conversation.passes(recalled, upstream):
        return exchange.raw_body, body, ()
    if recalled.place and recalled.turns is None:
        recalled.turns = await _found(_keeper(runtime).turns(recalled.place, runtime.limits.max_body))
    write = partial(_written, recalled, body, upstream)
    return await asyncio.to_thread(write) if total_size(exchange) > BIG else write()


def total_size(exchange: Exchange) -> int:
    """Count the bytes that a request is made of."""
    turns = exchange.recalled.turns if exchange.recalled else None
    return len(exchange.raw_body) + sum(turn.size for turn in turns or ())


def _written(recalled: StoredConversation, body: Body, upstream: TurnTarget) -> tuple[bytes, Body, tuple[str, ...]]:
    written = conversation.write_for(recalled, body, upstream)
    return dump(written.body) if upstream.native else b"", written.body, written.dropped


def upstream_lost_state(exchange: Exchange, failure: Failure) -> bool:
    """Note that a provider does not know the reply that it has given: then it is told the whole conversation."""
    recalled = exchange.recalled
    if recalled is None or recalled.refused or recalled.place is None or failure.kind not in {"status", "fault"}:
        return False
    if not (recalled.answered and any(words in failure.message.lower() for words in FORGOTTEN)):
        return False
    recalled.refused = True
    return True


async def _found[T](future: "Future[T]") -> T:
    try:
        return await asyncio.wrap_future(future)
    except StoreError as error:
        raise GatewayError(f"what is kept cannot be read: {error}", status=503) from error


def _keeper(runtime: Runtime) -> ConversationKeeper:
    assert runtime.keeper
    return runtime.keeper


def _owner(exchange: Exchange) -> str:
    return exchange.key.id if exchange.key else ""


def _unknown(reply: str) -> NotFound:
    return NotFound(f"Response with id '{reply[:200]}' not found.")


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_OF_PAGE):
        raise BadRequest(f"limit is {text[:20]!r}: it counts from 1 to {MOST_OF_PAGE}", param="limit")
    return int(text)


def _newest_first(order: str | None) -> bool:
    if order not in {None, "asc", "desc"}:
        raise BadRequest("order must be asc or desc", param="order")
    return order != "asc"
