"""Import of another database or an archive while a gateway runs on this database.

The database file is never replaced, since other processes have it open. Its rows are replaced in one transaction, so
that readers see either the old or the new state, and a failed or killed import has no effect.
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
"""Rows per transaction; with the triggers for each row, one transaction takes about 40 ms."""
BREATH = 0.02
"""Seconds between two transactions, in which other processes can write."""


@contextlib.contextmanager
def added(store: Store, found: UntrustedDatabase, id: str, step: Callable[[str], None]) -> Iterator[int]:
    """Add the history rows that are missing here and yield their number; remove them again when the block fails.

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
    """Mark an import as complete; call it in the transaction that replaces the configuration."""
    store.run_many("delete from imports where id = ?", [(id,)])


def undo_interrupted(store: Store) -> int:
    """Remove the history rows of imports whose process was killed, and return how many there were."""
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
    """Remove the history rows of an import, then the import itself from the journal; return the number of rows."""
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
    """Delete the journal of a complete import."""
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
"""Maximum number of rows of one configuration table."""

type Step = Callable[[str], None]
type Tables = Mapping[str, Sequence[Values]]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of an import."""

    backup: str
    """Id of the backup made before the import."""
    version: int
    """Schema version of the imported file."""
    rows: Mapping[str, int]
    """Configuration table -> its number of rows now."""
    history: int
    """Number of usage records that were added."""
    lost: tuple[str, ...]
    """Names of the accounts and proxies whose credentials were left out."""
    keys_kept: bool
    """Whether the existing gateway keys were kept, since those of the file would not work here."""


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
    """Replace the configuration by that of a database or an archive, and add its usage history.

    `step` is called with the name of each step before it begins. Raises StoreError, and changes nothing, on failure;
    the backup made first stays. IP filter lists that would lock out the `caller` or this machine are refused without
    `force`.
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
                cached_answers.clear(store)  # the same names may now lead to other models
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
    """Restore a backup by its id. As for an import, the current state is backed up first. Raises StoreError."""
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
    for table in tables:  # all deletions first, since some trigger deletions in other tables
        but = f" where name not in ({', '.join('?' * len(MOMENTS))})" if table == "settings" else ""
        store.run_many(f"delete from {table}{but}", [MOMENTS if but else ()])
    for table, rows in tables.items():
        _add(store, table, rows)
    # Keys that were revoked after the copy was made stay revoked.
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
