"""The test bench: every chosen feature in every chosen pair of dialects, a few at a time, until all are done."""

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from omniroute.access.client_address import ClientAddress
from omniroute.bench.client import RawRequest, RawResponse, ask, recorded_exchange
from omniroute.bench.compare import Difference, Verdict
from omniroute.bench.features import Feature
from omniroute.bench.registry import BENCH_DIALECTS
from omniroute.bench.upstream import Scene, Upstream
from omniroute.bench.vocabulary import BenchReply, Body
from omniroute.catalog.provider import DialectName
from omniroute.catalog.providers import node
from omniroute.config.model import Config
from omniroute.errors import BadRequest, GatewayError
from omniroute.gateway.live_monitor import CapturedExchange, MonitoredExchange
from omniroute.gateway.runtime import Runtime
from omniroute.gateway.self_requests import InternalRequest

type State = Literal["waiting", "running", "passed", "lossy", "failed", "skipped"]

LIMIT, REAL_LIMIT = 20.0, 120.0
"""Seconds of one request, to the scripted upstream and to a real one."""
LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RealAccount:
    """An account to ask in place of the scripted upstream."""

    config: Config
    """With nobody else in it."""
    model: str


@dataclass(slots=True)
class Cell:
    """What is tried, and what came of it."""

    client: DialectName
    upstream: DialectName | None
    """None is whatever the real account speaks."""
    feature: Feature
    state: State = "waiting"
    reason: str = ""
    wrong: list[Difference] = field(default_factory=list)
    ms: float | None = None
    status: int | None = None
    dropped: tuple[str, ...] = ()
    kept: tuple[MonitoredExchange, CapturedExchange] | None = field(default=None, repr=False)
    """The exchange with its bodies."""

    def skip(self) -> str:
        """Say why there is nothing to be tried; empty where there is."""
        if self.client not in self.feature.clients:
            return "this dialect has no such request"
        if self.upstream is None and not self.feature.real:
            return "a real account cannot be told to do this"
        return ""


async def run_cell(runtime: Runtime, cell: Cell, who: ClientAddress, on: "Upstream | RealAccount", slot: str) -> None:
    """Send the request, and judge what comes of it. Raises nothing: what goes wrong is the cell's reason."""
    started = runtime.clock()
    cell.state = "running"
    verdict = Verdict()
    try:
        await (_ask_real(runtime, cell, who, on, verdict) if isinstance(on, RealAccount) else
               _ask_scripted(runtime, cell, who, on, slot, verdict))  # fmt: skip
    except (OSError, GatewayError) as error:
        verdict.expect("an answer", "one", str(error))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        verdict.expect("what was sent", "readable", f"{type(error).__name__}: {error}")
    cell.ms = (runtime.clock() - started) * 1000
    cell.wrong = verdict.wrong
    cell.state = "failed" if verdict.wrong else "lossy" if verdict.lost else "passed"
    if verdict.wrong:
        first = verdict.wrong[0]
        cell.reason = f"{first.what}: expected {first.expected}, got {first.got or 'nothing'}"
    elif verdict.lost:
        cell.reason = f"left out, as the upstream's dialect cannot say it: {', '.join(verdict.lost)}"


async def _ask_scripted(
    runtime: Runtime, cell: Cell, who: ClientAddress, upstream: Upstream, slot: str, verdict: Verdict
) -> None:
    assert cell.upstream
    feature, word = cell.feature, secrets.token_hex(4)
    wire, script = BENCH_DIALECTS[cell.upstream], feature.script(word)
    name = f"scripted-{slot}-{cell.upstream}"
    base = upstream.base_url(name)
    scripted = node(name, cell.upstream, base.replace("/v1", "/v1beta") if cell.upstream == "gemini" else base)
    config = Config(nodes=(scripted,), proxies={("global", ""): None})
    visit = InternalRequest(who, config=config, dry_run=True)
    try:
        with upstream.play(name, Scene(cell.upstream, script)) as scene:
            sent, answer = await _send(runtime, cell, visit, f"{name}/{wire.MODEL}", word, LIMIT)
    finally:
        runtime.choosing.forget(name, f"node:{name}")
    if feature.kind == "count":
        verdict.expect("requests to the upstream", 0, len(scene.asked))
        return _counted(cell, answer, verdict)
    verdict.expect("the upstream was asked", True, bool(scene.asked))
    if scene.asked and feature.told:
        verdict.request(feature, BENCH_DIALECTS[cell.client], sent, wire, scene.asked[0], cell.dropped)
    heard = _hear(cell, answer, verdict)
    if feature.kind == "refusal":
        verdict.refusal(script.status, script.text, answer.status, heard)
    elif feature.kind == "broken":
        verdict.broken(script.text, heard)
    else:
        verdict.answer(feature, script.spoken, heard)


async def _ask_real(runtime: Runtime, cell: Cell, who: ClientAddress, real: RealAccount, verdict: Verdict) -> None:
    visit = InternalRequest(who, config=real.config)
    feature = cell.feature
    sent, answer = await _send(runtime, cell, visit, real.model, secrets.token_hex(4), REAL_LIMIT)
    if feature.kind == "count":
        return _counted(cell, answer, verdict)
    heard = _hear(cell, answer, verdict)
    verdict.expect("the client's status", 200, answer.status)
    tried = cell.kept[1].attempts if cell.kept else ()
    last = tried[-1] if tried else None
    if last is None or last.sent is None or last.got is None:
        verdict.expect("the upstream was asked", True, False)
        return
    wire = BENCH_DIALECTS[last.dialect]  # type: ignore[index]
    if last.sent.cut or last.got.cut:
        cell.reason = "too much was said to be compared"
        return
    verdict.request(feature, BENCH_DIALECTS[cell.client], sent, wire, json.loads(last.sent.body), cell.dropped)
    streamed = sent.get("stream") or feature.ask("").stream
    said = wire.heard_stream(last.got.body) if streamed else wire.heard(json.loads(last.got.body))
    verdict.expect("an error of the upstream", "", said.fault)
    verdict.answer(feature, replace(said, fault=""), heard)


async def _send(
    runtime: Runtime, cell: Cell, visit: InternalRequest, model: str, word: str, seconds: float
) -> tuple[Body, RawResponse]:
    wire, asked = BENCH_DIALECTS[cell.client], cell.feature.ask(word)
    path, body = (wire.count if cell.feature.kind == "count" else wire.ask)(asked, model)
    letter = RawRequest(path, json.dumps(body).encode())
    answer = await ask(runtime, visit, letter, seconds=seconds, largest=LARGEST)
    cell.status = answer.status
    cell.kept = await recorded_exchange(runtime, visit.exchange) if cell.feature.kind != "count" else None
    if cell.kept:
        cell.dropped = cell.kept[0].row.dropped
    return body, answer


def _hear(cell: Cell, answer: RawResponse, verdict: Verdict) -> BenchReply:
    """Read what the client got, as its dialect has it."""
    wire, streamed = BENCH_DIALECTS[cell.client], cell.feature.ask("").stream
    if streamed and answer.status == 200:
        verdict.expect("the client's content-type", "text/event-stream", answer.content_type.partition(";")[0])
        heard: BenchReply = wire.heard_stream(answer.body)
    else:
        heard = wire.heard(json.loads(answer.body))
    return heard


def _counted(cell: Cell, answer: RawResponse, verdict: Verdict) -> None:
    verdict.expect("the client's status", 200, answer.status)
    count = BENCH_DIALECTS[cell.client].counted(json.loads(answer.body))
    if not (isinstance(count, int) and count > 0):
        verdict.expect("a count of tokens", "a number over 0", count)


log = logging.getLogger(__name__)

STOPPED = "stopped before its turn came"


class Bench:
    """The last run, and the one that is under way."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._task: asyncio.Task[None] | None = None
        self.cells: list[Cell] = []
        self.real: RealAccount | None = None
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
        who: ClientAddress,
        real: RealAccount | None,
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

    async def _run(self, who: ClientAddress, at_once: int) -> None:
        upstream = None if self.real else Upstream()
        todo = iter(self.cells)
        self._runtime.watching.add()
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
            self._runtime.watching.discard()
            self.ended_at, self._task = self._runtime.wall(), None
            if upstream:
                with contextlib.suppress(asyncio.CancelledError):
                    await upstream.close()

    async def _work(
        self, todo: Iterator[Cell], who: ClientAddress, on: Upstream | RealAccount | None, slot: str
    ) -> None:
        assert on
        for cell in todo:
            if why := cell.skip():
                cell.state, cell.reason = "skipped", why
            else:
                await run_cell(self._runtime, cell, who, on, slot)
