"""Exports of the database, or of an archive without credentials, while other processes write to it."""

import csv
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from omniroute import __version__
from omniroute.redaction import KnownSecrets
from omniroute.store.config import snapshot
from omniroute.store.db.copies import copy_database, draft_of, need_room
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.state.sessions import kept_token
from omniroute.store.transfer.backups import CONVERSATIONS
from omniroute.store.transfer.table_policy import MOMENTS, POLICIES, of_kind
from omniroute.store.transfer.untrusted import Values

FORMAT = "omniroute-export-1"
FILES = {
    "provider_connections": "providers.json",
    "provider_nodes": "provider-nodes.json",
    "api_keys": "api-keys.json",
    "usage_history": "usage.csv",
}
"""Names of files in the archive that differ from the name of their table."""
HAD_ONE = "has_credential"


def file_of(table: str) -> str:
    return FILES.get(table, f"{table.replace('_', '-')}.json")


def write_all(store: Store, target: Path, *, replace: bool = False) -> dict[str, int]:
    """Write the archive as a private file, atomically, and return the number of rows per table. Raises StoreError."""
    with draft_of(target, replace=replace) as draft:
        need_room(target.parent, store.path.stat().st_size)
        with draft.open("wb") as file:
            return _write(store, file)


def _write(store: Store, file: IO[bytes]) -> dict[str, int]:
    now, counts = store.clock(), {}
    folder = f"omniroute-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    with tarfile.open(fileobj=file, mode="w:gz") as tar, store.view():
        hide = _hider(store)
        for table in of_kind("setup", "keys", "history"):
            with tempfile.TemporaryFile(dir=store.data_dir) as part:
                text = io.TextIOWrapper(part, encoding="utf-8", newline="")
                put = _csv if file_of(table).endswith(".csv") else _json
                counts[table] = put(text, table, _shown(store, table, hide))
                text.flush()
                _member(tar, f"{folder}/{file_of(table)}", part, now)
        about = {
            "format": FORMAT,
            "version": __version__,
            "schema": len(MIGRATIONS),
            "created_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
            "rows": counts,
            "left_out": "credentials, digests of keys, passwords, tokens, sessions, conversations, errors' texts",
        }
        _member(tar, f"{folder}/metadata.json", io.BytesIO(json.dumps(about, indent=2).encode()), now)
    return counts


def _member(tar: tarfile.TarFile, name: str, content: IO[bytes], now: float) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = content.seek(0, io.SEEK_END), int(now), 0o600
    content.seek(0)
    tar.addfile(info, content)


def _shown(store: Store, table: str, hide: Callable[[Any], Any]) -> Iterator[Values]:
    contents = POLICIES[table]
    had = ", secret is not null" if contents.sealed else ""
    names = [*contents.shown, *([HAD_ONE] if had else [])]
    with store.failures():
        found = store.db.connection().execute(f"select {', '.join(contents.shown)}{had} from {table} order by 1, 2")
        for values in found:
            row = dict(zip(names, values, strict=True))
            if table != "settings" or row["name"] not in MOMENTS:
                yield {name: hide(value) for name, value in row.items()}


def _json(file: IO[str], table: str, rows: Iterator[Values]) -> int:
    listed = list(rows)
    json.dump(listed, file, indent=2, ensure_ascii=False)
    return len(listed)


def _csv(file: IO[str], table: str, rows: Iterator[Values]) -> int:
    out, number = csv.DictWriter(file, POLICIES[table].shown), 0
    out.writeheader()
    for row in rows:
        out.writerow(row)
        number += 1
    return number


def _hider(store: Store) -> Callable[[Any], Any]:
    """Return a function that redacts known secrets in a value, since an account may be named after its key."""
    opened = [secret for proxy in snapshot.proxies(store).values() for secret in proxy.secrets]
    token = kept_token(store)
    known = KnownSecrets([*snapshot.credentials(store).values(), *opened, *([token] if token else [])])

    @lru_cache(maxsize=4096)
    def redacted(text: str) -> str:
        return known.redact(text)

    return lambda value: redacted(value) if isinstance(value, str) else value


def export(store: Store, target: Path, *, replace: bool = False) -> int:
    """Copy the database without conversations and cached answers, and return the size in bytes.

    Credentials stay encrypted. Raises StoreError.
    """
    where = checked(store, target, replace=replace)
    return copy_database(store.path, where, without=CONVERSATIONS, replace=replace)


def export_all(store: Store, target: Path, *, replace: bool = False) -> dict[str, int]:
    """Write an archive without credentials and return the number of rows per table. Raises StoreError."""
    return write_all(store, checked(store, target, replace=replace), replace=replace)


def into(store: Store, folder: Path, *, everything: bool) -> Path:
    """Write an export into a temporary folder: the database, or with `everything` the archive without credentials."""
    if everything:
        write_all(store, target := folder / "all.tar.gz", replace=False)
    else:
        copy_database(store.path, target := folder / "storage.sqlite", without=CONVERSATIONS)
    return target


def checked(store: Store, target: Path, *, replace: bool) -> Path:
    """Return the target path; raise StoreError if it exists and `replace` is not set, or is in the data directory."""
    if not target.parent.is_dir():
        raise StoreError(f"there is no folder {str(target.parent)!r}")
    if target.parent.resolve().is_relative_to(store.data_dir.resolve()):
        raise StoreError(f"{str(target)!r} is in the data directory: choose another place, or make a backup")
    if target.is_dir():
        raise StoreError(f"{str(target)!r} is a folder: say the name of a file")
    if target.exists() and not replace:
        raise StoreError(f"{str(target)!r} is there already; it was left as it is (--force overwrites it)")
    return target
