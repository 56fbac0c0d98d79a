"""Asking the database: rows as plain dictionaries, changes as transactions, every failure as a StoreError."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peewee import PeeweeException, Query

from omniroute.store.connections import BUSY_SECONDS, Connections
from omniroute.store.disk_errors import disk_error
from omniroute.store.files import StoreFailed
from omniroute.store.write_health import WriteHealth

type Row = dict[str, Any]


class Queries:
    """One database file, asked from any thread; each has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = Connections(path)
        self.write_health = WriteHealth()

    def rows(self, query: Query) -> list[Row]:
        """Run a query that gives rows."""
        with self.failures():
            return list(query.dicts().execute(self.db))

    def run(self, query: Query) -> int:
        """Run a statement; an update or delete returns how many rows it touched. Call it inside `change`."""
        with self.failures():
            return int(query.execute(self.db))

    def run_many(self, sql: str, values: list[tuple[Any, ...]]) -> None:
        """Run one statement for each tuple; call it inside `change`."""
        with self.failures():
            self.db.connection().executemany(sql, values)

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """All or nothing: one transaction, or a part of the one that is open in this thread already."""
        if self.write_health.stopped:
            raise StoreFailed(f"nothing is written: {self.write_health.reason}")
        try:
            with self.failures(), self.db.atomic("IMMEDIATE"):
                yield
        except StoreFailed as exc:
            if error := disk_error(exc, self.path.parent):
                self.write_health.failed(error)
            raise

    @contextlib.contextmanager
    def view(self) -> Iterator[None]:
        """Several reads that see the same moment."""
        with self.failures(), self.db.atomic():
            yield

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Turn what peewee and SQLite raise into a sentence."""
        try:
            yield
        except (PeeweeException, sqlite3.Error) as exc:
            if "locked" in str(exc):
                raise StoreFailed(f"the database is busy: another process has held it for {BUSY_SECONDS} s") from exc
            if error := disk_error(exc, self.path.parent):
                raise StoreFailed(f"the database cannot be used: {error.reason}") from exc
            raise StoreFailed(f"the database {str(self.path)!r} failed: {exc}") from exc

    def close(self) -> None:
        """Close every thread's connection; nothing can be asked after this."""
        self.db.shut()
