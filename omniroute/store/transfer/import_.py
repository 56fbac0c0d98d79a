"""Takes over what another database holds, while a gateway goes on serving from this one.

The file is never put in the place of the database: other processes have that open. Its rows are, in one transaction,
so that every reader sees the old state or the new one, and what fails or is killed in the middle has never been.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omniroute.store.config import ip_filter
from omniroute.store.db import files
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.history import usage
from omniroute.store.state import cached_answers
from omniroute.store.transfer import backups, read_archive, reencrypt
from omniroute.store.transfer.backups import Reason
from omniroute.store.transfer.table_policy import MOMENTS, of_kind
from omniroute.store.transfer.untrusted import MOST_BYTES, UntrustedDatabase, Values, check_setup, inspect_file

BATCH = 500
"""Rows of one transaction; triggers add each up, so they take some 40 ms."""
BREATH = 0.02
"""Seconds between two, in which others get their turn."""


@contextlib.contextmanager
def added(store: Store, found: UntrustedDatabase, id: str, step: Callable[[str], None]) -> Iterator[int]:
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
                new += _add_history(store, table, batch, id)
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
    gone = sum(_undo(store, id) for id in begun if not files.is_in_use(store.data_dir / id))
    for id in noted - {*begun}:
        if not files.is_in_use(store.data_dir / id):
            _forget(store, id)
    return gone


def _add_history(store: Store, table: str, rows: Sequence[Values], id: str) -> int:
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


MOST_ROWS = 100_000
"""Of one table of the configuration."""

type Step = Callable[[str], None]
type Tables = Mapping[str, Sequence[Values]]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import has done."""

    backup: str
    """The id of the copy of what was here before."""
    version: int
    """That the file came with."""
    rows: Mapping[str, int]
    """Table of the configuration -> its rows now."""
    history: int
    """Exchanges that were not known here."""
    lost: tuple[str, ...]
    """Whose credentials were left out."""
    keys_kept: bool
    """Whether the keys of clients are still those from before: the file's would not open here."""


def import_database(
    store: Store,
    file: Path,
    *,
    reason: Reason = "import",
    key_file: Path | None = None,
    without_credentials: bool = False,
    history: bool = True,
    most: int | None = MOST_BYTES,
    caller: Sequence[str] = ip_filter.HERE,
    force: bool = False,
    step: Step = lambda name: None,
) -> ImportResult:
    """Make the configuration that of a database or an archive, and add its history to ours.

    `step` is told the name of each step before it is taken. Raises StoreError, having changed nothing; the copy of
    what was here before is made first and stays. Lists of addresses that would keep out the `caller` or this machine
    are refused unless forced.
    """
    files.sweep(store.data_dir, files.FOLDER)
    with files.folder(store.data_dir) as folder:
        step("look")
        if read_archive.is_archive(file):
            file, without_credentials = read_archive.unpack(file, folder), True
        with inspect_file(file, folder, most=most) as found:
            step("secrets")
            credentials = reencrypt.opening(found, store, key_file=key_file, without=without_credentials)
            with_keys = reencrypt.keys_open(found, store)
            kinds = ("setup", "keys") if with_keys else ("setup",)
            tables = {table: _read(found, table, credentials, store) for table in of_kind(*kinds)}
            step("backup")
            backup = backups.create(store.path, reason, len(MIGRATIONS), store.clock())
            with (
                added(store, found, folder.name, step) if history else contextlib.nullcontext(0) as exchanges,
                store.change(),
                ip_filter.changing(store, caller, force=force),
            ):
                step("replace")
                _replace(store, tables)
                cached_answers.clear(store)  # whoever the same names lead to now has not given them
                step("check")
                check_setup(store)
                complete(store, folder.name)
                step("commit")
            step("done")
    return ImportResult(
        backup=backup.id,
        version=found.version,
        rows={table: len(rows) for table, rows in tables.items()},
        history=exchanges,
        lost=tuple(credentials.lost),
        keys_kept=not with_keys,
    )


def restore(
    store: Store,
    id: str,
    *,
    caller: Sequence[str] = ip_filter.HERE,
    force: bool = False,
    step: Step = lambda name: None,
) -> ImportResult:
    """Go back to a backup, by its id. What is here now is copied first, as with an import."""
    found = backups.find(store.path, id)
    return import_database(store, found.path, reason="restore", most=None, caller=caller, force=force, step=step)


def _read(found: UntrustedDatabase, table: str, credentials: reencrypt.Credentials, store: Store) -> list[Values]:
    rows = list(itertools.islice(found.rows(table), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise StoreError(f"the file has over {MOST_ROWS:,} rows in {table}; nothing was changed")
    match table:
        case "provider_connections":
            return [credentials.account(row, store) for row in rows]
        case "network_proxies":
            return [credentials.proxy(row, store) for row in rows]
        case "settings":
            return [row for row in rows if row["name"] not in MOMENTS]
        case _:
            return rows


def _replace(store: Store, tables: Tables) -> None:
    revoked = _revoked(store)
    for table in tables:  # all of them first: some take rows of others with them
        but = f" where name not in ({', '.join('?' * len(MOMENTS))})" if table == "settings" else ""
        store.run_many(f"delete from {table}{but}", [MOMENTS if but else ()])
    for table, rows in tables.items():
        _add(store, table, rows)
    # Whoever was shut out since the copy was made is not let in again.
    store.run_many("update api_keys set revoked_at = ? where id = ? and revoked_at is null", revoked)


def _revoked(store: Store) -> list[tuple[Any, ...]]:
    with store.failures():
        asked = store.db.connection().execute("select revoked_at, id from api_keys where revoked_at is not null")
        return asked.fetchall()


def _add(store: Store, table: str, rows: Sequence[Values]) -> None:
    if rows:
        names = list(rows[0])
        sql = f"insert into {table} ({', '.join(names)}) values ({', '.join('?' * len(names))})"
        store.run_many(sql, [tuple(row.values()) for row in rows])
