"""Persistent entries of the response cache, encrypted on disk."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from peewee import SQL, fn

from omniroute.store.config.settings import note
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.history_tables import KeptAnswer, UsageHistory

CLEARED = "cache.cleared"
LEVEL = 1

A = KeptAnswer

PUT = (
    "insert into kept_answer (key, at, similar, content) values (?, ?, ?, ?) "
    "on conflict (key) do update set at = excluded.at, similar = excluded.similar, content = excluded.content"
)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An entry of the response cache."""

    key: str
    at: float
    content: bytes = field(repr=False)
    similar: bool = False
    """Whether similar requests may receive it too."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Size and hit counts of the cache."""

    entries: int
    bytes: int
    oldest: float | None
    similar: int
    """Number of entries that similar requests may receive too."""
    hits: int
    """Cache hits for identical requests, in the whole history."""
    similar_hits: int
    """Cache hits for similar requests."""
    repeats: int
    """Replayed responses to requests that were sent twice with the same idempotency key."""


def keep(store: Store, kept: StoredAnswer) -> None:
    """Store an entry; an existing one for the same request is replaced."""
    sealed = store.vault.seal_bytes(zlib.compress(kept.content, LEVEL), _about(kept.key))
    store.run_many(PUT, [(kept.key, kept.at, kept.similar, sealed)])


def forget(store: Store, keys: Iterable[str]) -> None:
    """Delete entries by key."""
    store.run_many("delete from kept_answer where key = ?", [(key,) for key in keys])


def load(store: Store, since: float) -> Iterator[StoredAnswer]:
    """Yield the entries since a time, the oldest first; those that cannot be decrypted are left out."""
    for row in store.rows(A.select().where(A.at > since).order_by(A.at)):
        try:
            content = zlib.decompress(store.vault.unseal_bytes(bytes(row["content"]), _about(row["key"])))
        except (zlib.error, StoreError):
            continue  # encrypted with another key, or damaged: the request goes upstream again
        yield StoredAnswer(row["key"], row["at"], content, bool(row["similar"]))


def trim(store: Store, before: float) -> None:
    """Delete entries up to a time."""
    store.run(A.delete().where(A.at <= before))


def clear(store: Store) -> int:
    """Delete all entries, notify a running gateway to do the same, and return how many there were."""
    with store.change():
        number = int(store.rows(A.select(fn.count(SQL("*")).alias("n")))[0]["n"])
        store.run(A.delete())
        note(store, CLEARED, store.clock())
    return number


def stats(store: Store) -> Stats:
    """Count the entries, and the responses that were served from them."""
    size = fn.coalesce(fn.sum(fn.length(A.content)), 0)
    counts = (fn.count(SQL("*")).alias("n"), fn.coalesce(fn.sum(A.similar), 0).alias("similar"))
    row = store.rows(A.select(*counts, size.alias("bytes"), fn.min(A.at).alias("at")))[0]
    H = UsageHistory
    counted = H.select(H.replayed, fn.count(SQL("*")).alias("n")).where(H.replayed.is_null(False)).group_by(H.replayed)
    used = {each["replayed"]: each["n"] for each in store.rows(counted)}
    hits = (used.get(source, 0) for source in ("cache", "similar", "idempotency"))
    return Stats(row["n"], row["bytes"], row["at"], row["similar"], *hits)


def _about(key: str) -> str:
    return f"answer {key}"
