"""Lend one running gateway to many test files: starting one costs two seconds of processor.

A borrower has the gateway to itself. Its configuration replaces the one that is there, which comes back afterwards;
what the gateway has learned about accounts is forgotten when they are removed, so no test sees the state of another
one. Tests of restarts, options, tools and environment variables need a gateway of their own, from `Gateway.start`.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import httpx
from harness import PATIENCE, Gateway, until

from omniroute.store.config import settings
from omniroute.store.db.database import Store
from omniroute.store.history import usage

TABLES = (
    "combos",
    "model_aliases",
    "fallback_chains",
    "custom_models",
    "settings",
    "blocked_providers",
    "network_proxies",
    "account_limits",
    "budgets",
    "prices",
    "api_keys",
    "ip_rules",
    "provider_connections",
    "provider_nodes",
)
"""What a user configures; all else is the gateway's own."""

type Rows = dict[str, list[tuple[object, ...]]]


class SharedGateway:
    """Lends a gateway that was started without options."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._untouched = self._read()

    @contextmanager
    def lend(
        self, setup: Callable[[Store], object] | None = None, deadlines: Mapping[str, float] | None = None
    ) -> Iterator[Gateway]:
        """Configure it as `Gateway.start` would, and wait until that is in force; loans may be nested."""
        before = self._read()
        self._write(self._untouched)
        self._empty_the_log()
        try:
            for phase, seconds in (deadlines or {}).items():
                settings.put(self.gateway.store, f"deadlines.{phase}", str(seconds))
            if setup:
                setup(self.gateway.store)
            self._in_force()
            yield self.gateway
            self.gateway.check_log()
        finally:
            self._write(before)

    def _read(self) -> Rows:
        with closing(sqlite3.connect(self.gateway.store.path)) as database:
            return {table: database.execute(f"select * from {table}").fetchall() for table in TABLES}

    def _write(self, rows: Rows) -> None:
        with closing(sqlite3.connect(self.gateway.store.path, timeout=PATIENCE)) as database, database:
            for table in TABLES:
                database.execute(f"delete from {table}")
            for table, values in rows.items():
                if values:
                    database.executemany(f"insert into {table} values ({', '.join('?' * len(values[0]))})", values)
        self._in_force()

    def _empty_the_log(self) -> None:
        """Remove the rows of earlier exchanges. They are written in order: a row of now is behind all of them."""
        url = f"{self.gateway.url}/v1/chat/completions"
        refused = httpx.post(url, json={"model": "unknown/m"}, timeout=PATIENCE, trust_env=False)
        last = refused.headers["x-omniroute-request-id"]
        until("the log is written", lambda: last in [row.id for row in usage.recent(self.gateway.store, 9)])
        with closing(sqlite3.connect(self.gateway.store.path, timeout=PATIENCE)) as database, database:
            database.execute("delete from usage_history")

    def _in_force(self) -> None:
        wanted, url = self.gateway.store.revision(), f"{self.gateway.url}/readyz"

        def seen() -> bool:
            answer = httpx.get(url, timeout=PATIENCE, trust_env=False)
            return bool(answer.json().get("revision", 0) >= wanted)

        until(f"configuration revision {wanted} is in force", seen)
