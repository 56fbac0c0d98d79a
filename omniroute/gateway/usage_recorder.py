"""Write-behind of usage records and other state: batched briefly, then passed to the writer thread."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from omniroute.dialects.ir import Usage
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.routing.target import Target
from omniroute.store.config import budgets
from omniroute.store.config.budgets import Estimate
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.writer import Writer
from omniroute.store.history import usage
from omniroute.store.history.usage import UsageRow

log = logging.getLogger(__name__)

GATHER, WINDOW = 0.03, 0.06
"""Seconds for which a record is batched, here and in the writer; their sum bounds what a kill may lose."""

RETRY = 1.0
"""Seconds between two attempts while the database takes no writes."""
MOST_ROWS, MOST_BYTES = 20_000, 32 * 1024 * 1024
"""Maximum number and approximate bytes of usage records held while writes fail; further ones are dropped."""
PATIENCE = 0.5
"""Maximum seconds that a request waits until its rate-limit use is on the disk."""
ROW_BYTES = 2048
"""Bytes of a usage record without its texts."""

type Source = tuple[Callable[[], Any], Callable[[Store, Any], None]]
"""A function that returns the changes since its last call, if any, and one that writes them."""


class WriteBehind:
    """Collect usage records, cost estimates and changes of other sources; write them from `open` to `close`."""

    def __init__(self, *sources: Source) -> None:
        self.rows: list[UsageRow] = []
        self._estimates: list[Estimate] = []
        self._sources: tuple[Source, ...] = (
            *sources,
            (self._take_estimates, budgets.record),
            (self._take_rows, usage.record),
        )
        self._near = False
        self._held_bytes = 0
        self._store: Store | None = None
        self._writer: Writer | None = None

    def open(self, store: Store) -> Writer:
        """Start the writer thread."""
        self._store, self._writer = store, Writer(store, window=WINDOW)
        self._writer.start()
        return self._writer

    def record(self, row: UsageRow) -> None:
        """Queue a usage record. Records are batched, as one job per record would cost more than the record."""
        if self._failing and not self._has_room(row):
            assert self._store
            self._store.write_health.drop(1)
            return
        self.rows.append(row)
        self.schedule_flush()

    def record_estimate(self, estimate: Estimate) -> None:
        """Queue the estimated part of an exchange's cost; written with the exchange's record."""
        if not (self._failing and len(self._estimates) >= MOST_ROWS):
            self._estimates.append(estimate)

    @property
    def _failing(self) -> bool:
        return self._writer is not None and self._writer.failing

    def _has_room(self, row: UsageRow) -> bool:
        """Count the bytes of a record that has to wait; return False when too many wait."""
        size = ROW_BYTES + len(row.error or "") + sum(len(attempt.detail) for attempt in row.attempts)
        if len(self.rows) >= MOST_ROWS or self._held_bytes + size > MOST_BYTES:
            return False
        self._held_bytes += size
        return True

    def schedule_flush(self) -> None:
        """Schedule a flush soon, if none is scheduled."""
        if not self._near:
            self._near = True
            asyncio.get_running_loop().call_later(GATHER, self.flush)

    def flush(self) -> None:
        """Pass all changes to the writer; while writes fail, try again later."""
        self._near = False
        if self._failing:
            self._near = True
            asyncio.get_running_loop().call_later(RETRY, self.flush)
        else:
            self._hand_over()

    def _hand_over(self, *, at_once: bool = False) -> None:
        self._held_bytes = 0
        for changes, save in self._sources:
            if what := changes():
                records = len(what) if save is usage.record else 0
                self.write(partial(_given, save, what), keep=True, at_once=at_once, records=records)

    def write(
        self, job: Callable[[Store], None], *, keep: bool = False, at_once: bool = False, records: int = 0
    ) -> None:
        """Submit a write job. A failed one is logged; with `keep` it waits until writes succeed again.

        `records` is the number of usage records in it, which are counted as dropped when it fails.
        """
        if self._writer and self._store and (keep or not self._failing):
            try:
                written = self._writer.submit(partial(job, self._store), keep=keep, at_once=at_once)
                written.add_done_callback(partial(_complain, self._store, records))
            except StoreError as error:
                self._store.write_health.drop(records)
                log.error("what the gateway has done could not be written down: %s", error)

    async def written(self) -> None:
        """Wait until all changes so far are on the disk, at most `PATIENCE` seconds, and not while writes fail."""
        if self._writer is None or self._failing:
            return
        self._hand_over(at_once=True)
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.wrap_future(self._writer.submit(_nothing, at_once=True))
        except (TimeoutError, StoreError) as error:
            log.info("a request goes on before the limits that it counts for are saved: %s", error or "it takes long")

    def read[T](self, job: Callable[[Store], T]) -> Future[T]:
        """Submit a read job that sees all changes before it and none after it."""
        assert self._writer
        assert self._store
        self._hand_over()
        return self._writer.submit(partial(job, self._store))

    def close(self) -> None:
        """Write what is pending and stop the thread."""
        self._hand_over()
        if self._writer:
            self._writer.close(timeout=10.0)
        self._store, self._writer = None, None

    def _take_rows(self) -> list[UsageRow]:
        rows, self.rows = self.rows, []
        return rows

    def _take_estimates(self) -> list[Estimate]:
        estimates, self._estimates = self._estimates, []
        return estimates


def _nothing() -> None:
    """Do nothing: its completion shows that all earlier jobs are done."""


def _given(save: Callable[[Store, Any], None], what: Any, store: Store) -> None:
    save(store, what)


def _complain(store: Store, records: int, done: "Future[None]") -> None:
    if error := done.exception():
        store.write_health.drop(records)
        log.error("what the gateway has done could not be written down: %s", error)


def build_usage_row(exchange: Exchange, status: int | None, now: float) -> usage.UsageRow:
    """Build the usage record of an exchange in its current state; `status` is None while it is in flight."""
    served = exchange.served
    asked, answer = served or exchange.last, exchange.replay.answer
    counted = exchange.usage
    content_at = served.attempt.content_at if served else None
    return usage.UsageRow(
        id=exchange.id,
        at=exchange.at,
        key_id=exchange.key.id if exchange.key else None,
        key_name=exchange.key.name if exchange.key else None,
        account_id=asked.target.account.id if asked else None,
        account_name=asked.target.account.name if asked else None,
        provider=asked.target.provider.id if asked else None,
        model_asked=exchange.model,
        model_served=served.target.name if served else answer.route if answer else None,
        combo=exchange.plan.combo if exchange.plan else None,
        client_dialect=exchange.dialect,
        upstream_dialect=asked.target.dialect if asked else None,
        path=exchange.path,
        streamed=exchange.stream,
        status=status,
        error=_error(exchange),
        input=counted.input,
        output=counted.output,
        cache_read=counted.cache_read,
        cache_write=counted.cache_write,
        reasoning=counted.reasoning,
        cost=exchange.cost,
        attempts=tuple(_attempt(one, now, over=status is not None) for one in exchange.attempts_made),
        latency_ms=(now - exchange.started) * 1000,
        ttft_ms=(content_at - exchange.started) * 1000 if content_at is not None else None,
        overhead_ms=exchange.overhead * 1000 if exchange.overhead is not None else None,
        dropped=served.dropped if served else answer.dropped if answer else (),
        replayed=exchange.replay.source,
    )


def embedding_row(
    exchange: Exchange, target: Target, id: str, at: float, counted: Usage, cost: float | None, took: float
) -> usage.UsageRow:
    """Build the usage record of an embedding call for the semantic cache, counted under the exchange's key."""
    ms = took * 1000
    return usage.UsageRow(
        id=id,
        at=at,
        key_id=exchange.key.id if exchange.key else None,
        key_name=exchange.key.name if exchange.key else None,
        account_id=target.account.id,
        account_name=target.account.name,
        provider=target.provider.id,
        model_asked=exchange.config.rules.cache.similar,
        model_served=target.name,
        combo=None,
        client_dialect=exchange.dialect,
        upstream_dialect=target.dialect,
        path="/v1/embeddings",
        streamed=False,
        status=200,
        error=None,
        input=counted.input,
        output=counted.output,
        cache_read=None,
        cache_write=None,
        reasoning=None,
        cost=cost,
        attempts=(usage.AttemptRow(target.name, target.account.name, "ok", 200, ms, ""),),
        latency_ms=ms,
        ttft_ms=None,
        overhead_ms=None,
        dropped=(),
    )


def _error(exchange: Exchange) -> str | None:
    """Return the error that the client received, or the failure that interrupted its answer."""
    last = exchange.last
    return exchange.error or (last.attempt.failure.message if last and last.attempt.failure else None)


def _why(asked: AttemptRecord) -> str:
    """Describe why an attempt was made, if it was a hedge or a resume."""
    if asked.hedge_delay is not None:
        return f"asked beside another that was late, after {asked.hedge_delay:.1f} s"
    return "" if asked.resumed is None else f"went on after {asked.resumed} characters"


def _after(asked: AttemptRecord) -> str:
    """Describe the estimated cost of a cancelled attempt, or why an interrupted answer was not resumed."""
    if asked.estimate is not None:
        return f"its input cost about ${asked.estimate:.6f}"
    return f"not resumed: {asked.unresumed}" if asked.unresumed else ""


def _attempt(asked: AttemptRecord, now: float, *, over: bool) -> usage.AttemptRow:
    attempt = asked.attempt
    failure = attempt.failure
    status = failure.status if failure else None
    if status is None and attempt.upstream:
        status = attempt.upstream.status_code
    return usage.AttemptRow(
        target=asked.target.name,
        account=asked.target.account.name,
        outcome=failure.label if failure else "ok" if over else "answering" if attempt.content_at else "asking",
        status=status,
        ms=((attempt.ended or now) - attempt.started) * 1000 if attempt.started else 0.0,
        detail="; ".join(filter(None, (_why(asked), failure.message if failure else "", _after(asked)))),
        estimate=asked.estimate,
    )
