"""A connection to the database for each thread that asks, and one place that closes them all."""

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any, cast

from peewee import SqliteDatabase

BUSY_SECONDS = 5
"""How long a connection waits for another process's write to end."""

# peewee logs every statement at DEBUG, and mitmproxy keeps the root logger at DEBUG.
logging.getLogger("peewee").setLevel(logging.INFO)


class Connections(SqliteDatabase):
    """SQLite with one connection a thread, known here so that any thread can close them all."""

    def __init__(self, path: Path) -> None:
        pragmas = {"busy_timeout": BUSY_SECONDS * 1000, "synchronous": "normal", "foreign_keys": 1}
        self._guard = threading.Lock()
        self._opened: list[tuple[threading.Thread, sqlite3.Connection]] = []
        super().__init__(str(path), pragmas=pragmas, timeout=BUSY_SECONDS, check_same_thread=False)

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection, opened now if need be."""
        return cast(sqlite3.Connection, super().connection())  # type: ignore[no-untyped-call]

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Run a statement, but roll no savepoint back that SQLite has ended: an error such as a full disk ends all."""
        if sql.startswith("ROLLBACK TO ") and not self.connection().in_transaction:
            return None
        return super().execute_sql(sql, params)  # type: ignore[no-untyped-call]

    def rollback(self) -> None:
        """Roll the transaction back, unless SQLite has done so itself: its own error is the one to report."""
        if not self.is_closed() and self.connection().in_transaction:
            super().rollback()

    def _connect(self) -> sqlite3.Connection:
        fresh = cast(sqlite3.Connection, super()._connect())  # type: ignore[misc]  # the stubs lack it
        with self._guard:
            alive = []
            for thread, connection in self._opened:
                if thread.is_alive():
                    alive.append((thread, connection))
                else:  # it has ended without closing what it opened
                    connection.close()
            self._opened = [*alive, (threading.current_thread(), fresh)]
        return fresh

    def _close(self, conn: sqlite3.Connection) -> None:
        with self._guard:
            self._opened = [entry for entry in self._opened if entry[1] is not conn]
        conn.close()

    def release(self) -> None:
        """Close this thread's connection, if there is one left to close."""
        if not self.deferred:
            self.close()

    def shut(self) -> None:
        """Close the connections of all threads; whoever asks after this gets an error."""
        if self.deferred:
            return
        self.deferred = True  # peewee's word for "has no file to connect to"
        with self._guard:
            opened, self._opened = self._opened, []
        for _, connection in opened:
            connection.close()
