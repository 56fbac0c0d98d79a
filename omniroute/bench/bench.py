"""The test bench: every chosen feature in every chosen pair of dialects, a few at a time, until all are done."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence

from omniroute.bench.cell import Cell, Real, try_out
from omniroute.bench.features import Feature
from omniroute.bench.upstream import Upstream
from omniroute.catalog.provider import DialectName
from omniroute.errors import BadRequest, GatewayError
from omniroute.routing.forwarded import Comer
from omniroute.runtime import Runtime

log = logging.getLogger(__name__)

STOPPED = "stopped before its turn came"


class Bench:
    """The last run, and the one that is under way."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._task: asyncio.Task[None] | None = None
        self.cells: list[Cell] = []
        self.real: Real | None = None
        self.started_at: float | None = None
        self.ended_at: float | None = None

    @property
    def running(self) -> bool:
        return self._task is not None

    def start(
        self,
        clients: Sequence[DialectName],
        upstreams: Sequence[DialectName | None],
        features: Sequence[Feature],
        *,
        who: Comer,
        real: Real | None,
        at_once: int,
    ) -> None:
        """Begin a run. GatewayError where there is one, or nobody could be asked yet."""
        if self.running:
            raise BadRequest("a test run is under way: wait for it, or stop it", status=409)
        if not self._runtime.address:
            raise GatewayError("the gateway does not answer yet", status=503, retry_after=1)
        self.cells = [Cell(client, at, feature) for feature in features for client in clients for at in upstreams]
        self.real, self.started_at, self.ended_at = real, self._runtime.wall(), None
        self._task = asyncio.get_running_loop().create_task(self._run(who, at_once), name="omniroute: test bench")

    async def stop(self) -> None:
        """End the run: what is under way is hung up on, what has not begun is not begun."""
        if task := self._task:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self, who: Comer, at_once: int) -> None:
        upstream = None if self.real else Upstream()
        todo = iter(self.cells)
        self._runtime.watching.enter()
        try:
            async with asyncio.TaskGroup() as workers:
                for slot in range(at_once):
                    workers.create_task(self._work(todo, who, self.real or upstream, str(slot)))
        except* Exception:
            log.exception("the test bench failed")
        finally:
            for cell in self.cells:
                if cell.state in ("waiting", "running"):
                    cell.state, cell.reason = "skipped", STOPPED
            self._runtime.watching.leave()
            self.ended_at, self._task = self._runtime.wall(), None
            if upstream:
                with contextlib.suppress(asyncio.CancelledError):
                    await upstream.close()

    async def _work(self, todo: Iterator[Cell], who: Comer, on: Upstream | Real | None, slot: str) -> None:
        assert on
        for cell in todo:
            if why := cell.skip():
                cell.state, cell.reason = "skipped", why
            else:
                await try_out(self._runtime, cell, who, on, slot)
