"""One thread that writes: many small jobs, one commit."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import Any

from peewee import OperationalError

from omniroute.store.database import Store
from omniroute.store.files import StoreError

log = logging.getLogger(__name__)

WINDOW = 0.1
"""Seconds that a job may wait for company; what a kill can lose."""
BATCH = 500
MOST_WAITING = 20_000
PATIENCE = 30.0
"""Seconds to go on asking for the write lock while another process holds it."""
PAUSE = 0.05

type Job = tuple[Callable[[], Any], Future[Any]]


class Writer:
    """Runs jobs in the order of `submit`, in one thread with a connection of its own.

    A future is settled after the commit: what it says is on disk. A job that raises is undone alone. When the
    queue is full `submit` refuses at once with StoreError: waiting would stop the event loop, and dropping
    would lose an exchange without a word.
    """

    def __init__(self, store: Store, *, window: float = WINDOW, most_waiting: int = MOST_WAITING) -> None:
        self._store, self._window, self._most_waiting = store, window, most_waiting
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="omniroute-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit[T](self, job: Callable[[], T]) -> Future[T]:
        """Queue a job for the next commit. Never waits; raises StoreError when it cannot be taken."""
        future: Future[T] = Future()
        with self._changed:
            if self._closing:
                raise StoreError("the writer is closed: nothing more can be written")
            if len(self._jobs) >= self._most_waiting:
                raise StoreError(f"{len(self._jobs)} writes wait for the disk already: this one was refused")
            self._jobs.append((job, future))
            if len(self._jobs) in (1, BATCH):  # in between the thread would wake for nothing
                self._changed.notify()
        return future

    def close(self, timeout: float) -> None:
        """Write what waits and end the thread. What is not on disk after `timeout` is given up, and said so."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        with self._changed:
            left = list(self._jobs)
            self._jobs.clear()
        if left:
            log.error("%d writes were given up: the disk was not ready within %s s", len(left), timeout)
        for _, future in left:
            if future.set_running_or_notify_cancel():
                future.set_exception(StoreError("the writer was closed before this was written"))

    def _run(self) -> None:
        while batch := self._next_batch():
            self._write(batch)
        self._store.db.release()

    def _next_batch(self) -> list[Job]:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closing)
            self._changed.wait_for(lambda: self._closing or len(self._jobs) >= BATCH, self._window)
            return [self._jobs.popleft() for _ in range(min(BATCH, len(self._jobs)))]

    def _write(self, batch: list[Job]) -> None:
        wanted = [(job, future) for job, future in batch if future.set_running_or_notify_cancel()]
        settle: list[Callable[[], None]] = []
        try:
            with ExitStack() as stack:
                self._begin(stack)
                for job, future in wanted:
                    try:
                        with self._store.db.savepoint():
                            result = job()
                    except BaseException as exc:
                        settle.append(partial(self._failed, future, exc))
                    else:
                        settle.append(partial(future.set_result, result))
        except BaseException as exc:  # no lock, or the commit itself failed: none of it is on disk
            log.error("%d writes were lost: %s", len(wanted), exc)
            lost = StoreError(f"the database could not be written: {exc}")
            settle = [partial(future.set_exception, lost) for _, future in wanted]
        for tell in settle:  # only now is it true
            tell()

    def _begin(self, stack: ExitStack) -> None:
        """Take the write lock, however long within reason another process holds it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                stack.enter_context(self._store.db.atomic("IMMEDIATE"))
            except OperationalError as exc:
                if "locked" not in str(exc) or time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE)  # most of the waiting is SQLite's own; some kinds of lock it does not wait for
            else:
                return

    def _failed(self, future: Future[Any], exc: BaseException) -> None:
        if not isinstance(exc, StoreError):  # a refusal is the caller's to show, anything else is a fault
            log.error("a write failed: %r", exc)
        future.set_exception(exc)
