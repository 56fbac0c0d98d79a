"""What the gateway has to write down: gathered for a moment, then given to the thread that writes."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from omniroute.store import budgets, usage
from omniroute.store.budgets import Estimate
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.usage import UsageRow
from omniroute.store.writer import Writer

log = logging.getLogger(__name__)

GATHER, WINDOW = 0.03, 0.06
"""Seconds that a log row waits for company, here and in the writer: together less than a kill may lose."""

type Source = tuple[Callable[[], Any], Callable[[Store, Any], None]]
"""Gives what has changed since it was asked last, if anything has; and what writes that."""


class Pending:
    """Rows, estimates, and what others remember of their own and say when they are asked. Open for a store's life."""

    def __init__(self, *sources: Source) -> None:
        self.rows: list[UsageRow] = []
        self._estimates: list[Estimate] = []
        self._sources: tuple[Source, ...] = (
            *sources,
            (self._take_estimates, budgets.record),
            (self._take_rows, usage.record),
        )
        self._near = False
        self._store: Store | None = None
        self._writer: Writer | None = None

    def open(self, store: Store) -> Writer:
        """Start the thread that writes."""
        self._store, self._writer = store, Writer(store, window=WINDOW)
        self._writer.start()
        return self._writer

    def record(self, row: UsageRow) -> None:
        """Log an exchange. Rows of the same moment go as one job: a job for each would cost more than its row."""
        self.rows.append(row)
        self.soon()

    def guessed(self, estimate: Estimate) -> None:
        """Keep what of an exchange's cost is an estimate; goes with the exchange's row."""
        self._estimates.append(estimate)

    def soon(self) -> None:
        """Look in a moment for what has changed."""
        if not self._near:
            self._near = True
            asyncio.get_running_loop().call_later(GATHER, self.flush)

    def flush(self) -> None:
        """Give the writer all that has changed."""
        self._near = False
        for changes, save in self._sources:
            if what := changes():
                self.write(partial(_given, save, what))

    def write(self, job: Callable[[Store], None]) -> None:
        """Have something written; what cannot be is said in the log."""
        if self._writer and self._store:
            try:
                self._writer.submit(partial(job, self._store)).add_done_callback(_complain)
            except StoreError as error:
                log.error("what the gateway has done could not be written down: %s", error)

    def read[T](self, job: Callable[[Store], T]) -> Future[T]:
        """Read what is there when all that was given before is written, and nothing that comes after."""
        assert self._writer
        assert self._store
        self.flush()
        return self._writer.submit(partial(job, self._store))

    def close(self) -> None:
        """Write what is pending and end the thread."""
        self.flush()
        if self._writer:
            self._writer.close(timeout=10.0)
        self._store, self._writer = None, None

    def _take_rows(self) -> list[UsageRow]:
        rows, self.rows = self.rows, []
        return rows

    def _take_estimates(self) -> list[Estimate]:
        estimates, self._estimates = self._estimates, []
        return estimates


def _given(save: Callable[[Store, Any], None], what: Any, store: Store) -> None:
    save(store, what)


def _complain(done: "Future[None]") -> None:
    if error := done.exception():
        log.error("what the gateway has done could not be written down: %s", error)
