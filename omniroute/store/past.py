"""Adds the history of another database to ours, in steps that are short enough for others to write in between.

What is added is noted in a journal until the import is complete. So an import that fails, or whose process is
killed, is taken out again: at once, or by `undo_interrupted` at the next start.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence

from omniroute.store import aside, usage
from omniroute.store.contents import of_kind
from omniroute.store.database import Store
from omniroute.store.foreign import Foreign, Values

BATCH = 500
"""Rows of one transaction; triggers add each up, so they take some 40 ms."""
BREATH = 0.02
"""Seconds between two, in which others get their turn."""


@contextlib.contextmanager
def added(store: Store, found: Foreign, id: str, step: Callable[[str], None]) -> Iterator[int]:
    """Add what is not here yet and give its number. When the block fails, it is taken out again.

    `id` is the name of the folder that the import has locked. The block calls `complete` in its last transaction.
    """
    step("history")
    new = 0
    try:
        with store.change():
            store.run_many("insert into imports (id, at) values (?, ?)", [(id, store.clock())])
        for table in of_kind("history"):
            rows = found.rows(table)
            while batch := list(itertools.islice(rows, BATCH)):
                new += _add(store, table, batch, id)
                time.sleep(BREATH)
        yield new
    except BaseException:
        _undo(store, id)
        raise
    _forget(store, id)


def complete(store: Store, id: str) -> None:
    """Note that an import stays; call it in the transaction that replaces the configuration."""
    store.run_many("delete from imports where id = ?", [(id,)])


def undo_interrupted(store: Store) -> int:
    """Take out what imports have added whose process was killed, and return how many rows that were."""
    with store.failures():
        db = store.db.connection()
        begun = [str(id) for (id,) in db.execute("select id from imports")]
        noted = {str(id) for (id,) in db.execute("select distinct import from import_rows")}
    gone = sum(_undo(store, id) for id in begun if not aside.is_in_use(store.data_dir / id))
    for id in noted - {*begun}:
        if not aside.is_in_use(store.data_dir / id):
            _forget(store, id)
    return gone


def _add(store: Store, table: str, rows: Sequence[Values], id: str) -> int:
    names = list(rows[0])
    with store.change():
        marks = ", ".join("?" * len(rows))
        asked = f"select id from {table} where id in ({marks})"
        here = {id for (id,) in store.db.connection().execute(asked, [row["id"] for row in rows])}
        fresh = [usage.bounded(row) for row in rows if row["id"] not in here]
        sql = f"insert into {table} ({', '.join(names)}) values ({', '.join('?' * len(names))})"
        store.run_many(sql, [tuple(row[name] for name in names) for row in fresh])
        noted = [(id, table, row["id"]) for row in fresh]
        store.run_many("insert into import_rows (import, tab, row) values (?, ?, ?)", noted)
    return len(fresh)


def _undo(store: Store, id: str) -> int:
    """Take out what an import has added, and then the import itself from the journal."""
    gone = 0
    while some := _noted(store, id):
        with store.change():
            for table in of_kind("history"):
                rows = [(row,) for tab, row in some if tab == table]
                store.run_many(f"delete from {table} where id = ?", rows)
                gone += len(rows)
            _drop(store, id, some)
    with store.change():
        complete(store, id)
    return gone


def _forget(store: Store, id: str) -> None:
    """Delete the journal of an import that stays."""
    while some := _noted(store, id):
        with store.change():
            _drop(store, id, some)


def _noted(store: Store, id: str) -> list[tuple[str, str]]:
    with store.failures():
        sql = "select tab, row from import_rows where import = ? limit ?"
        return [(str(tab), str(row)) for tab, row in store.db.connection().execute(sql, (id, BATCH))]


def _drop(store: Store, id: str, rows: Sequence[tuple[str, str]]) -> None:
    sql = "delete from import_rows where import = ? and tab = ? and row = ?"
    store.run_many(sql, [(id, *row) for row in rows])
