"""Adds the history of another database to ours, in steps that are short enough for others to write in between.

What has happened has happened, so nothing is ever taken out, but for what a failed import has added.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence

from omniroute.store.contents import of_kind
from omniroute.store.database import Store
from omniroute.store.foreign import Foreign, Values

BATCH = 500
"""Rows of one transaction; triggers add each up, so they take some 40 ms."""
BREATH = 0.02
"""Seconds between two, in which others get their turn."""


@contextlib.contextmanager
def added(store: Store, found: Foreign, step: Callable[[str], None]) -> Iterator[int]:
    """Add what is not here yet and give its number. When what is done with it fails, it is taken out again.

    A process that is killed leaves what it has added; that is true all the same, and the next import adds the rest.
    """
    new: list[tuple[str, str]] = []
    try:
        step("history")
        for table in of_kind("history"):
            rows = found.rows(table)
            while batch := list(itertools.islice(rows, BATCH)):
                new += [(table, id) for id in _add(store, table, batch)]
                time.sleep(BREATH)
        yield len(new)
    except BaseException:
        for table, taken in itertools.groupby(new, key=lambda one: one[0]):
            while some := [(id,) for _, id in itertools.islice(taken, BATCH)]:
                with store.change():
                    store.run_many(f"delete from {table} where id = ?", some)
        raise


def _add(store: Store, table: str, rows: Sequence[Values]) -> list[str]:
    names = list(rows[0])
    with store.change():
        marks = ", ".join("?" * len(rows))
        asked = f"select id from {table} where id in ({marks})"
        here = {id for (id,) in store.db.connection().execute(asked, [row["id"] for row in rows])}
        fresh = [row for row in rows if row["id"] not in here]
        sql = f"insert into {table} ({', '.join(names)}) values ({', '.join('?' * len(names))})"
        store.run_many(sql, [tuple(row.values()) for row in fresh])
    return [row["id"] for row in fresh]
