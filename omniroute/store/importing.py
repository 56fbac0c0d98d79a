"""Takes over what another database holds, while a gateway goes on serving from this one.

The file is never put in the place of the database: other processes have that open. Its rows are, in one transaction,
so that every reader sees the old state or the new one, and what fails or is killed in the middle has never been.
"""

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omniroute.store import answers, aside, backups, doors, past, sealed, unpacking
from omniroute.store.acceptable import check_setup
from omniroute.store.backups import Reason
from omniroute.store.contents import MOMENTS, of_kind
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.foreign import MOST_BYTES, Foreign, Values, look_at
from omniroute.store.migrations import MIGRATIONS

MOST_ROWS = 100_000
"""Of one table of the configuration."""

type Step = Callable[[str], None]
type Tables = Mapping[str, Sequence[Values]]


@dataclass(frozen=True, slots=True)
class Imported:
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


def bring_in(
    store: Store,
    file: Path,
    *,
    reason: Reason = "import",
    key_file: Path | None = None,
    without_credentials: bool = False,
    history: bool = True,
    most: int | None = MOST_BYTES,
    caller: Sequence[str] = doors.HERE,
    force: bool = False,
    step: Step = lambda name: None,
) -> Imported:
    """Make the configuration that of a database or an archive, and add its history to ours.

    `step` is told the name of each step before it is taken. Raises StoreError, having changed nothing; the copy of
    what was here before is made first and stays. Lists of addresses that would keep out the `caller` or this machine
    are refused unless forced.
    """
    aside.sweep(store.data_dir, aside.FOLDER)
    with aside.folder(store.data_dir) as folder:
        step("look")
        if unpacking.is_archive(file):
            file, without_credentials = unpacking.unpack(file, folder), True
        with look_at(file, folder, most=most) as found:
            step("secrets")
            credentials = sealed.opening(found, store, key_file=key_file, without=without_credentials)
            with_keys = sealed.keys_open(found, store)
            kinds = ("setup", "keys") if with_keys else ("setup",)
            tables = {table: _read(found, table, credentials, store) for table in of_kind(*kinds)}
            step("backup")
            backup = backups.create(store.path, reason, len(MIGRATIONS), store.clock())
            with (
                past.added(store, found, folder.name, step) if history else contextlib.nullcontext(0) as exchanges,
                store.change(),
                doors.changing(store, caller, force=force),
            ):
                step("replace")
                _replace(store, tables)
                answers.clear(store)  # whoever the same names lead to now has not given them
                step("check")
                check_setup(store)
                past.complete(store, folder.name)
                step("commit")
            step("done")
    return Imported(
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
    caller: Sequence[str] = doors.HERE,
    force: bool = False,
    step: Step = lambda name: None,
) -> Imported:
    """Go back to a backup, by its id. What is here now is copied first, as with an import."""
    found = backups.find(store.path, id)
    return bring_in(store, found.path, reason="restore", most=None, caller=caller, force=force, step=step)


def _read(found: Foreign, table: str, credentials: sealed.Credentials, store: Store) -> list[Values]:
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
