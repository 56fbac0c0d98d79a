"""Answers that are given again: sealed, as the gateway has them in memory too."""

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
    """An answer, as it is kept."""

    key: str
    at: float
    content: bytes = field(repr=False)
    similar: bool = False
    """Who says nearly the same may have it too."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What is kept, and what it has been good for."""

    entries: int
    bytes: int
    oldest: float | None
    similar: int
    """Entries that who says nearly the same may have too."""
    hits: int
    """Answers out of the cache to the very same request, in all of the history."""
    similar_hits: int
    """Answers out of it to requests that said nearly the same."""
    repeats: int
    """Answers to requests that were sent twice."""


def keep(store: Store, kept: StoredAnswer) -> None:
    """Write an answer; where another is kept for the same request, in its place."""
    sealed = store.vault.seal_bytes(zlib.compress(kept.content, LEVEL), _about(kept.key))
    store.run_many(PUT, [(kept.key, kept.at, kept.similar, sealed)])


def forget(store: Store, keys: Iterable[str]) -> None:
    """Take out some answers."""
    store.run_many("delete from kept_answer where key = ?", [(key,) for key in keys])


def load(store: Store, since: float) -> Iterator[StoredAnswer]:
    """Give the answers since a moment, the oldest first; what does not open is left out."""
    for row in store.rows(A.select().where(A.at > since).order_by(A.at)):
        try:
            content = zlib.decompress(store.vault.unseal_bytes(bytes(row["content"]), _about(row["key"])))
        except (zlib.error, StoreError):
            continue  # it was sealed with another key, or is damaged: it is asked for anew
        yield StoredAnswer(row["key"], row["at"], content, bool(row["similar"]))


def trim(store: Store, before: float) -> None:
    """Take out what is too old."""
    store.run(A.delete().where(A.at <= before))


def clear(store: Store) -> int:
    """Forget all answers, and have a running gateway forget them; give how many there were."""
    with store.change():
        number = int(store.rows(A.select(fn.count(SQL("*")).alias("n")))[0]["n"])
        store.run(A.delete())
        note(store, CLEARED, store.clock())
    return number


def stats(store: Store) -> Stats:
    """Count what is kept, and what was answered with it."""
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
