"""Storage and lookup of Responses API turns, available from the moment they end.

One thread does all the work in order: parsing, compressing and encrypting cost too much for the event loop, and a
client may continue from a reply within a millisecond of its end.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from omniroute.dialects.responses import conversation as state
from omniroute.dialects.responses.conversation import StoredConversation, StoredTurn
from omniroute.errors import GatewayError, TooLarge
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.writer import Writer
from omniroute.store.state import conversations
from omniroute.store.state.conversations import StoredReply

log = logging.getLogger(__name__)

LARGEST = 32 * 1024 * 1024
"""Largest size of a stored turn in bytes."""
MOST_WAITING = 64 * 1024 * 1024
"""Bytes that may be waiting for the disk; further turns are not stored."""


@dataclass(frozen=True, slots=True)
class PendingTurn:
    """A turn that has just ended and is not stored yet."""

    exchange: str
    owner: str
    account: str
    native: bool
    input: list[Any] = field(repr=False)
    recalled: StoredConversation | None
    ending: bytes = field(repr=False)
    """The whole reply, or the end of its stream, as raw bytes."""
    size: int
    """Approximate total size in bytes."""


class ConversationKeeper:
    """Stores and finds turns. Methods may be called from any thread and do not wait; lookups return a future."""

    def __init__(self, store: Store, writer: Writer, *, wall: Callable[[], float]) -> None:
        self._store, self._writer, self._wall = store, writer, wall
        self._thread = ThreadPoolExecutor(1, "omniroute-replies")
        self._waiting: dict[str, StoredReply] = {}
        """Exchange id -> a turn that is not on disk yet."""
        self._weight = 0
        self._guard = threading.Lock()
        self._grown = 0
        self._failing = False

    def keep(self, draft: PendingTurn, *, ttl: float, most: int) -> None:
        """Store a turn for `ttl` seconds after the last turn of its conversation.

        Older conversations are deleted to stay within `most` bytes in all. A failure is only logged, since the client
        already has its response.
        """
        with self._guard:
            if self._weight + draft.size > MOST_WAITING:
                self._complain(f"{self._weight} bytes of replies wait for the disk already")
                return
            self._weight += draft.size
        try:
            self._thread.submit(self._prepare, draft, ttl, most)
        except RuntimeError:  # the gateway is stopping
            self._lighten(draft.size)

    def recall(self, previous: str | None, items: Iterable[str], owner: str) -> "Future[StoredConversation]":
        """Find the previous response and the items that a request refers to.

        The future raises BadRequest when the previous response belongs to another key.
        """
        return self._thread.submit(self._recall, previous, tuple(items), owner)

    def turns(self, place: tuple[str, str], most: int) -> "Future[tuple[StoredTurn, ...] | None]":
        """Return a whole conversation up to a turn, or None if a part is missing.

        The future raises TooLarge if the conversation exceeds `most` bytes.
        """
        return self._thread.submit(self._turns, place[0], most)

    def show(self, id: str, owner: str) -> "Future[dict[str, Any] | None]":
        """Return a stored reply as the client received it, or None."""
        return self._thread.submit(self._show, id, owner)

    def turns_of(self, id: str, owner: str, most: int) -> "Future[tuple[StoredTurn, ...] | None]":
        """Return the stored turns up to a reply given by its id, also if earlier ones are missing."""
        return self._thread.submit(
            lambda: self._turns(kept.exchange, most, whole=False) if (kept := self._find(id, owner)) else None
        )

    def forget(self, id: str, owner: str) -> "Future[int]":
        """Delete a stored reply and return how many there were."""
        return self._thread.submit(
            lambda: self._writer.submit(partial(conversations.forget, self._store, id, owner)).result()
        )

    def trim(self, most: int) -> "Future[int]":
        """Delete expired conversations, and the least recently used ones above `most` bytes."""
        return self._writer.submit(partial(conversations.trim, self._store, self._wall(), most))

    def close(self) -> None:
        """Pass all accepted turns to the writer and end the thread."""
        self._thread.shutdown()

    # The methods below run in the keeper's own thread.

    def _prepare(self, draft: PendingTurn, ttl: float, most: int) -> None:
        try:
            self._write(draft, ttl, most)
        except Exception as error:
            self._waiting.pop(draft.exchange, None)
            self._lighten(draft.size)
            self._complain(str(error))

    def _write(self, draft: PendingTurn, ttl: float, most: int) -> None:
        response = state.read_end(draft.ending)
        if response is None:
            self._lighten(draft.size)
            return
        if not draft.native:  # the writer of the dialect did not know these values
            previous = draft.recalled.previous if draft.recalled else None
            response |= {"store": True, "previous_response_id": previous}
        content = state.pack(draft.input, draft.recalled.found if draft.recalled else {}, response)
        if len(content) > min(LARGEST, most):
            raise StoreError(f"{len(content)} bytes are more than is kept of one")
        recalled = draft.recalled
        parent, conversation = (recalled.place if recalled else None) or (None, draft.exchange)
        if recalled and recalled.previous is not None and recalled.place is None:
            parent = conversations.UNKNOWN
        kept = StoredReply(
            exchange=draft.exchange,
            conversation=conversation,
            parent=parent,
            id=response["id"],
            owner=draft.owner,
            account=draft.account,
            native=draft.native,
            at=self._wall(),
            content=content,
            items=state.item_ids(response),
        )
        sealed = conversations.seal(self._store, kept)
        self._waiting[kept.exchange] = kept
        job = partial(self._put, kept, sealed, kept.at + ttl, most)
        self._writer.submit(job).add_done_callback(partial(self._written, kept.exchange, draft.size))

    def _recall(self, previous: str | None, items: tuple[str, ...], owner: str) -> StoredConversation:
        recalled = StoredConversation(previous)
        if previous is not None:
            if kept := self._find(previous, owner):
                recalled.place = (kept.exchange, kept.conversation)
                recalled.answered = kept.account if kept.native else ""
            elif self._is_anothers(previous, owner):
                raise state.not_found(previous)
        holders = {item: kept for item in items if (kept := self._find_item(item, owner))}
        turns = {kept.exchange: _turn(kept) for kept in holders.values()}
        recalled.found = MappingProxyType({item: turns[kept.exchange] for item, kept in holders.items()})
        return recalled

    def _show(self, id: str, owner: str) -> dict[str, Any] | None:
        kept = self._find(id, owner)
        return state.unpack(kept.content, kept.account, native=kept.native)[1] if kept else None

    def _find(self, id: str, owner: str) -> StoredReply | None:
        waiting = [kept for kept in tuple(self._waiting.values()) if (kept.id, kept.owner) == (id, owner)]
        return waiting[-1] if waiting else conversations.find(self._store, id, owner, self._wall())

    def _is_anothers(self, id: str, owner: str) -> bool:
        waiting = any(kept.id == id and kept.owner != owner for kept in tuple(self._waiting.values()))
        return waiting or conversations.is_anothers(self._store, id, owner, self._wall())

    def _find_item(self, item: str, owner: str) -> StoredReply | None:
        waiting = [kept for kept in tuple(self._waiting.values()) if kept.owner == owner and item in kept.items]
        return waiting[-1] if waiting else conversations.find_item(self._store, item, owner, self._wall())

    def _turns(self, exchange: str, most: int, *, whole: bool = True) -> tuple[StoredTurn, ...] | None:
        """Collect the turns back to the first; return None if one is not stored and `whole` is set."""
        line: list[StoredReply] = []
        at: str | None = exchange
        while at:
            step = [kept] if (kept := self._waiting.get(at)) else conversations.line(self._store, at)
            line += step
            at = step[-1].parent if step and len(line) <= conversations.MOST_TURNS else None
            if sum(len(kept.content) for kept in line) > most:
                raise TooLarge(f"the conversation is over {most} bytes (option omniroute_max_body): begin a new one")
        if len(line) > conversations.MOST_TURNS:
            raise GatewayError(
                f"the conversation has over {conversations.MOST_TURNS} turns: begin a new one", status=400
            )
        if not line or (whole and line[-1].parent is not None):
            return None
        return tuple(_turn(kept) for kept in reversed(line))

    # The methods below run in the writer thread.

    def _put(self, kept: StoredReply, sealed: bytes, expires: float, most: int) -> None:
        self._grown += len(sealed)
        if self._grown > most // conversations.SPARE:
            conversations.trim(self._store, kept.at, most - len(sealed))
            self._grown = len(sealed)
        conversations.keep(self._store, kept, sealed, expires)

    def _written(self, exchange: str, size: int, done: "Future[None]") -> None:
        self._waiting.pop(exchange, None)
        self._lighten(size)
        if error := done.exception():
            self._complain(str(error))
        else:
            self._failing = False

    # The methods below run in any thread.

    def _lighten(self, size: int) -> None:
        with self._guard:
            self._weight -= size

    def _complain(self, why: str) -> None:
        """Log the first failure after a success only, since on a full disk each message would need space too."""
        if not self._failing:
            self._failing = True
            log.warning("a reply could not be kept, so no request can go on from it: %s", why)


def _turn(kept: StoredReply) -> StoredTurn:
    return state.unpack(kept.content, kept.account, native=kept.native)[0]
