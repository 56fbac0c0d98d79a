"""Replies that clients may go on from: sealed, bounded, and forgotten a while after their last use.

A turn is kept once, and points to the one before it. All turns that hang together are one conversation: using one
of them keeps all of them, so that no reply outlives what it goes on from.
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
"""Turns of one conversation that a request can go on from."""
SPARE = 16
"""One part in so many is made free at once, so that not every reply has to make room for itself."""
UNKNOWN = ""
"""The parent of a turn whose earlier ones are not kept here."""
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
    """A turn, as it is kept."""

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
    """Ids by which the items of the reply can be referred to."""


@dataclass(frozen=True, slots=True)
class ReplySummary:
    """What a person may see of a reply that is kept: nothing of what was said."""

    id: str
    owner: str
    at: float
    expires: float
    bytes: int


def seal(store: Store, kept: StoredReply) -> bytes:
    """Make the bytes that go to the disk; costly, so not to be done while the database is locked."""
    return store.vault.seal_bytes(zlib.compress(kept.content, LEVEL), _about(kept.exchange))


def keep(store: Store, kept: StoredReply, sealed: bytes, expires: float) -> None:
    """Write a turn, and let its conversation live on."""
    row = (kept.exchange, kept.conversation, kept.parent, kept.id, kept.owner, kept.account, kept.native, kept.at)
    with store.change():
        store.run_many(INSERT_REPLY, [(*row, len(sealed), sealed)])
        store.run_many(INSERT_ITEM, [(item, kept.owner, kept.exchange) for item in kept.items])
        store.run_many(TOUCH, [(kept.conversation, expires, len(sealed))])


def find(store: Store, id: str, owner: str, now: float) -> StoredReply | None:
    """Find the newest reply of this id: there are servers that give one twice."""
    found = store.rows(_alive(now, R).where(R.id == id, R.owner == owner).order_by(R.at.desc()).limit(1))
    return _opened(store, found[0]) if found else None


def find_item(store: Store, id: str, owner: str, now: float) -> StoredReply | None:
    """Find the newest reply that has an item of this id."""
    places = ITEM.select(ITEM.exchange).where(ITEM.id == id, ITEM.owner == owner)
    found = store.rows(_alive(now, R).where(R.exchange.in_(places)).order_by(R.at.desc()).limit(1))
    return _opened(store, found[0]) if found else None


def is_anothers(store: Store, id: str, owner: str, now: float) -> bool:
    """Whether a reply of this id is kept, but for somebody else."""
    return bool(store.rows(_alive(now, R.exchange).where(R.id == id, R.owner != owner).limit(1)))


def line(store: Store, exchange: str) -> list[StoredReply]:
    """Give a turn and those before it, the newest first, as many as are kept and one more than may be used."""
    rows: Any = R.raw(CHAIN, exchange, MOST_TURNS)
    return [_opened(store, row) for row in store.rows(rows)]


def forget(store: Store, id: str, owner: str | None = None) -> int:
    """Forget the replies of an id, of one owner or of all, and give their number.

    What others go on from stays a part of those, and can no longer be asked for by itself.
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
    """Forget everything, and give the number of replies."""
    with store.change():
        number = count(store)[0]
        for table in (ITEM, R, C):
            store.run(table.delete())
    return number


def trim(store: Store, now: float, most: int) -> int:
    """Forget what has expired, then the conversations unused for the longest until there is room below `most` bytes."""
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
    """Give the number of replies that can be asked for, and the bytes of all that is kept."""
    return int(store.rows(R.select(fn.count(SQL("*")).alias("n")).where(~R.hidden))[0]["n"]), _bytes(store)


def shown(store: Store) -> list[ReplySummary]:
    """List what is kept, the newest first."""
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
    """Take out a hidden turn that nothing goes on from, and then those before it of which that is true now."""
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
