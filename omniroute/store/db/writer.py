"""The writer thread, which commits many small jobs together."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import OperationalError

from omniroute.store.db.database import Store
from omniroute.store.db.disk_errors import disk_error
from omniroute.store.db.files import StoreError, StoreFailed

log = logging.getLogger(__name__)

WINDOW = 0.1
"""Seconds that a job may wait for others; writes of this period can be lost if the process is killed."""
BATCH = 500
MOST_WAITING = 20_000
PATIENCE = 30.0
"""Seconds to keep trying for the write lock while another process holds it."""
PAUSE = 0.05
RETRY = 1.0
"""Seconds between two attempts while writes fail."""


@dataclass(slots=True, eq=False)
class Job:
    """A function to run inside a transaction."""

    run: Callable[[], Any]
    future: Future[Any]
    keep: bool
    """Whether it stays in the queue while writes fail; otherwise it fails with the reason."""
    taken: bool = False

    def take(self) -> bool:
        """Mark the future as running; return False when it was cancelled before."""
        self.taken = self.taken or self.future.set_running_or_notify_cancel()
        return self.taken


class Writer:
    """A thread with its own connection that runs jobs in the order of `submit`.

    A future is settled after the commit, so its result is on disk. A job that raises an exception is rolled back
    without the others. When the queue is full, `submit` raises StoreError at once: waiting would block the event loop,
    and dropping the job would lose an exchange silently. While the disk is full or the database is not writable, jobs
    with `keep` stay queued and are retried; `store.write_health` has the reason.
    """

    def __init__(self, store: Store, *, window: float = WINDOW, most_waiting: int = MOST_WAITING) -> None:
        self._store, self._window, self._most_waiting = store, window, most_waiting
        self._health = store.write_health
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._urgent = False
        self._thread = threading.Thread(target=self._run, name="omniroute-writer", daemon=True)

    def start(self) -> None:
        self._health.changed = self._wake
        self._thread.start()

    @property
    def failing(self) -> bool:
        """Whether writes to the database fail at the moment."""
        return self._health.reason is not None

    def submit[T](self, job: Callable[[], T], *, keep: bool = False, at_once: bool = False) -> Future[T]:
        """Queue a job for the next commit, which follows immediately when `at_once` is set.

        Never waits. Raises StoreError when the queue is full or closed, or writing has stopped.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._closing:
                raise StoreError("the writer is closed: nothing more can be written")
            if self._health.stopped:
                raise StoreFailed(f"nothing is written: {self._health.reason}")
            if len(self._jobs) >= self._most_waiting:
                raise StoreError(f"{len(self._jobs)} writes wait for the disk already: this one was refused")
            self._jobs.append(Job(job, future, keep))
            self._urgent = self._urgent or at_once
            if at_once or len(self._jobs) in (1, BATCH):  # otherwise the thread would wake up for nothing
                self._changed.notify()
        return future

    def close(self, timeout: float) -> None:
        """Write the queued jobs and end the thread. Jobs not written after `timeout` seconds fail and are logged."""
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
        for job in left:
            if job.take():
                job.future.set_exception(StoreError("the writer was closed before this was written"))

    def _wake(self) -> None:
        """Wake the thread, so that it checks whether writes succeed again, also without a queued job."""
        if threading.current_thread() is not self._thread:
            with self._changed:
                self._changed.notify()

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._write(batch)
        self._store.db.release()

    def _next_batch(self) -> list[Job] | None:
        """Wait for jobs and return them; an empty list is a check whether writes succeed again, and None is the end."""
        with self._changed:
            if self.failing and not self._health.stopped:
                self._changed.wait_for(lambda: self._closing, RETRY)
            else:
                self._changed.wait_for(lambda: self._jobs or self._closing or self._must_look())
                self._changed.wait_for(
                    lambda: self._closing or self._urgent or self._must_look() or len(self._jobs) >= BATCH,
                    self._window,
                )
            self._urgent = False
            batch = [self._jobs.popleft() for _ in range(min(BATCH, len(self._jobs)))]
            return batch or (None if self._closing else [])

    def _must_look(self) -> bool:
        return self.failing and not self._health.stopped

    def _write(self, batch: list[Job]) -> None:
        wanted = [job for job in batch if job.take()]
        settle: list[Callable[[], None]] = []
        try:
            if self._health.stopped:
                raise StoreFailed(f"nothing is written: {self._health.reason}")
            with ExitStack() as stack:
                self._begin(stack)
                if self.failing and not wanted:
                    self._store.db.execute_sql("update config_revision set number = number")
                for job in wanted:
                    try:
                        with self._store.db.savepoint():
                            result = job.run()
                    except BaseException as exc:
                        if not self._is_alone(exc):
                            raise
                        settle.append(partial(self._failed, job.future, exc))
                    else:
                        settle.append(partial(job.future.set_result, result))
        except BaseException as exc:  # no lock, a full disk or a failed commit: nothing of the batch is on disk
            self._none_written(wanted, exc)
            return
        self._health.succeeded()
        for tell in settle:  # results are valid only after the commit
            tell()

    def _begin(self, stack: ExitStack) -> None:
        """Take the write lock; retry for up to `PATIENCE` seconds while another process holds it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                stack.enter_context(self._store.db.atomic("IMMEDIATE"))
            except OperationalError as exc:
                error = disk_error(exc, self._store.data_dir)
                if error is None or error.kind != "busy" or time.monotonic() > deadline:
                    raise
                self._health.failed(error)
                time.sleep(PAUSE)  # SQLite does most of the waiting itself, but not for every kind of lock
            else:
                return

    def _is_alone(self, exc: BaseException) -> bool:
        """Return whether an error concerns one job only: the transaction is still open, and disk and database work."""
        return self._store.db.connection().in_transaction and disk_error(exc, self._store.data_dir) is None

    def _none_written(self, jobs: list[Job], exc: BaseException) -> None:
        """Requeue the jobs with `keep` for the next attempt and fail the others with the reason."""
        error = disk_error(exc, self._store.data_dir)
        if error:
            self._health.failed(error)
        retry = error is not None and not error.final
        with self._changed:
            kept = [job for job in jobs if job.keep and retry and not self._closing]
            self._jobs.extendleft(reversed(kept))
        if lost := [job for job in jobs if job not in kept]:
            log.error("%d writes were lost: %s", len(lost), error.reason if error else exc)
        said = StoreFailed(f"the database could not be written: {error.reason if error else exc}")
        for job in lost:
            job.future.set_exception(said)

    def _failed(self, future: Future[Any], exc: BaseException) -> None:
        if not isinstance(exc, StoreError):  # the caller handles a StoreError; anything else is a bug
            log.error("a write failed: %s", type(exc).__name__)
        future.set_exception(exc)
