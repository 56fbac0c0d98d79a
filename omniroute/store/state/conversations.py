"""Stored conversations of the Responses API: encrypted, bounded in size, and deleted some time after their last use.

Each turn is stored once and refers to the preceding one. All connected turns form one conversation: using one of them
extends the life of all, so that no reply outlives the turns that it depends on.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from peewee import SQL, ModelSelect, fn

from omniroute.store.db.database import Row, Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.history_tables import KeptConversation, KeptItem, KeptReply

MOST_TURNS = 1000
"""Maximum number of turns of a conversation that a request can continue."""
SPARE = 16
"""Fraction (1/16) of the space that is freed at once, so that not every reply has to make room for itself."""
UNKNOWN = ""
"""Parent of a turn whose preceding turns are not stored here."""
LEVEL = 1

R, C, ITEM = KeptReply, KeptConversation, KeptItem

INSERT_REPLY = (
    "insert into kept_reply (exchange, conversation, parent, id, owner, account, native, hidden, at, bytes, content) "
    "values (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)"
)
INSERT_ITEM = "insert into kept_item (id, owner, exchange) values (?, ?, ?)"
TOUCH = (
    "insert into kept_conversation (id, expires, bytes) values (?, ?, ?) on conflict (id) "
    "do update set expires = max(expires, excluded.expires), bytes = bytes + excluded.bytes"
)
CHAIN = """
    with recursive line (exchange, depth) as (
        select ?, 0
        union all
        select parent, depth + 1 from line join kept_reply using (exchange) where parent <> '' and depth < ?)
    select kept_reply.* from line join kept_reply using (exchange) order by depth"""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A stored turn."""

    exchange: str
    conversation: str
    parent: str | None
    id: str
    owner: str
    account: str
    native: bool
    at: float
    content: bytes = field(repr=False)
    items: tuple[str, ...] = ()
    """Ids by which requests can refer to items of the reply."""


@dataclass(frozen=True, slots=True)
class ReplySummary:
    """Metadata of a stored reply, without its content."""

    id: str
    owner: str
    at: float
    expires: float
    bytes: int


def seal(store: Store, kept: StoredReply) -> bytes:
    """Compress and encrypt a turn; costly, so not to be done while the database is locked."""
    return store.vault.seal_bytes(zlib.compress(kept.content, LEVEL), _about(kept.exchange))


def keep(store: Store, kept: StoredReply, sealed: bytes, expires: float) -> None:
    """Store a turn and extend the life of its conversation."""
    row = (kept.exchange, kept.conversation, kept.parent, kept.id, kept.owner, kept.account, kept.native, kept.at)
    with store.change():
        store.run_many(INSERT_REPLY, [(*row, len(sealed), sealed)])
        store.run_many(INSERT_ITEM, [(item, kept.owner, kept.exchange) for item in kept.items])
        store.run_many(TOUCH, [(kept.conversation, expires, len(sealed))])


def find(store: Store, id: str, owner: str, now: float) -> StoredReply | None:
    """Return the newest reply with this id, since some servers use an id twice; None if there is none."""
    found = store.rows(_alive(now, R).where(R.id == id, R.owner == owner).order_by(R.at.desc()).limit(1))
    return _opened(store, found[0]) if found else None


def find_item(store: Store, id: str, owner: str, now: float) -> StoredReply | None:
    """Return the newest reply that contains an item with this id, or None."""
    places = ITEM.select(ITEM.exchange).where(ITEM.id == id, ITEM.owner == owner)
    found = store.rows(_alive(now, R).where(R.exchange.in_(places)).order_by(R.at.desc()).limit(1))
    return _opened(store, found[0]) if found else None


def is_anothers(store: Store, id: str, owner: str, now: float) -> bool:
    """Return whether a reply with this id is stored for another owner."""
    return bool(store.rows(_alive(now, R.exchange).where(R.id == id, R.owner != owner).limit(1)))


def line(store: Store, exchange: str) -> list[StoredReply]:
    """Return a stored turn and its predecessors, the newest first, up to one more than `MOST_TURNS`."""
    rows: Any = R.raw(CHAIN, exchange, MOST_TURNS)
    return [_opened(store, row) for row in store.rows(rows)]


def forget(store: Store, id: str, owner: str | None = None) -> int:
    """Delete the replies with an id, of one owner or of all, and return how many there were.

    A reply that later turns depend on stays in their conversation, but can no longer be requested by its id.
    """
    chosen = R.select(R.exchange, R.conversation, R.parent, R.bytes).where(R.id == id, ~R.hidden)
    with store.change():
        found = store.rows(chosen if owner is None else chosen.where(R.owner == owner))
        for row in found:
            store.run(R.update(hidden=True).where(R.exchange == row["exchange"]))
            store.run(ITEM.delete().where(ITEM.exchange == row["exchange"]))
            _sweep(store, row["exchange"])
    return len(found)


def forget_all(store: Store) -> int:
    """Delete all conversations and return the number of replies."""
    with store.change():
        number = count(store)[0]
        for table in (ITEM, R, C):
            store.run(table.delete())
    return number


def trim(store: Store, now: float, most: int) -> int:
    """Delete expired conversations, then the least recently used ones until `most` bytes are not exceeded.

    Returns the number of deleted conversations.
    """
    with store.change():
        gone = [row["id"] for row in store.rows(C.select(C.id).where(C.expires <= now))]
        _drop(store, gone)
        left, crowd = _bytes(store), []
        if left > (most := most - most // SPARE):
            for row in store.rows(C.select(C.id, C.bytes).order_by(C.expires, C.id)):
                crowd.append(row["id"])
                left -= row["bytes"]
                if left <= most:
                    break
            _drop(store, crowd)
    return len(gone) + len(crowd)


def count(store: Store) -> tuple[int, int]:
    """Return the number of replies that can be requested, and the bytes of all stored turns."""
    return int(store.rows(R.select(fn.count(SQL("*")).alias("n")).where(~R.hidden))[0]["n"]), _bytes(store)


def shown(store: Store) -> list[ReplySummary]:
    """List the stored replies, the newest first."""
    query = R.select(R.id, R.owner, R.at, R.bytes, C.expires).join(C, on=(R.conversation == C.id))
    return [ReplySummary(**row) for row in store.rows(query.where(~R.hidden).order_by(R.at.desc(), R.exchange))]


def _bytes(store: Store) -> int:
    return int(store.rows(C.select(fn.coalesce(fn.sum(C.bytes), 0).alias("n")))[0]["n"])


def _alive(now: float, *columns: Any) -> "ModelSelect[KeptReply]":
    return R.select(*columns).join(C, on=(R.conversation == C.id)).where(C.expires > now, ~R.hidden)


def _opened(store: Store, row: Row) -> StoredReply:
    try:
        content = zlib.decompress(store.vault.unseal_bytes(bytes(row["content"]), _about(row["exchange"])))
    except zlib.error as exc:
        raise StoreError(f"the kept reply {row['id']!r} is damaged") from exc
    names = ("exchange", "conversation", "parent", "id", "owner", "account", "native", "at")
    return StoredReply(**{name: row[name] for name in names}, content=content)


def _about(exchange: str) -> str:
    return f"reply {exchange}"


def _sweep(store: Store, exchange: str | None) -> None:
    """Delete a hidden turn without successors, and then its predecessors for which the same is now true."""
    while exchange:
        row = next(
            iter(store.rows(R.select(R.parent, R.bytes, R.conversation, R.hidden).where(R.exchange == exchange))), None
        )
        if row is None or not row["hidden"] or store.rows(R.select(R.exchange).where(R.parent == exchange).limit(1)):
            return
        store.run(R.delete().where(R.exchange == exchange))
        store.run(C.update(bytes=C.bytes - row["bytes"]).where(C.id == row["conversation"]))
        if not store.rows(R.select(R.exchange).where(R.conversation == row["conversation"]).limit(1)):
            store.run(C.delete().where(C.id == row["conversation"]))
        exchange = row["parent"]


def _drop(store: Store, conversations: Iterable[str]) -> None:
    for conversation in conversations:
        theirs = R.select(R.exchange).where(R.conversation == conversation)
        store.run(ITEM.delete().where(ITEM.exchange.in_(theirs)))
        store.run(R.delete().where(R.conversation == conversation))
        store.run(C.delete().where(C.id == conversation))
