"""One cell of the matrix: a feature, asked in one dialect, answered in another, through the gateway itself."""

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import Literal

from omniroute.bench.features import Feature
from omniroute.bench.judge import Verdict, Wrong
from omniroute.bench.said import Body, Spoken
from omniroute.bench.sending import Answered, Letter, ask, noted
from omniroute.bench.upstream import Scene, Upstream
from omniroute.bench.wires import WIRES
from omniroute.catalog.provider import DialectName
from omniroute.catalog.providers import node
from omniroute.errors import GatewayError
from omniroute.routing.config import Config
from omniroute.routing.forwarded import Comer
from omniroute.runtime import Runtime
from omniroute.visits import Visit
from omniroute.watching import Seen, Taken

type State = Literal["waiting", "running", "passed", "lossy", "failed", "skipped"]

LIMIT, REAL_LIMIT = 20.0, 120.0
"""Seconds of one request, to the scripted upstream and to a real one."""
LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Real:
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
    wrong: list[Wrong] = field(default_factory=list)
    ms: float | None = None
    status: int | None = None
    dropped: tuple[str, ...] = ()
    kept: tuple[Seen, Taken] | None = field(default=None, repr=False)
    """The exchange with its bodies."""

    def skip(self) -> str:
        """Say why there is nothing to be tried; empty where there is."""
        if self.client not in self.feature.clients:
            return "this dialect has no such request"
        if self.upstream is None and not self.feature.real:
            return "a real account cannot be told to do this"
        return ""


async def try_out(runtime: Runtime, cell: Cell, who: Comer, on: "Upstream | Real", slot: str) -> None:
    """Send the request, and judge what comes of it. Raises nothing: what goes wrong is the cell's reason."""
    started = runtime.clock()
    cell.state = "running"
    verdict = Verdict()
    try:
        await (_ask_real(runtime, cell, who, on, verdict) if isinstance(on, Real) else
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
    runtime: Runtime, cell: Cell, who: Comer, upstream: Upstream, slot: str, verdict: Verdict
) -> None:
    assert cell.upstream
    feature, word = cell.feature, secrets.token_hex(4)
    wire, script = WIRES[cell.upstream], feature.script(word)
    name = f"scripted-{slot}-{cell.upstream}"
    base = upstream.base_url(name)
    scripted = node(name, cell.upstream, base.replace("/v1", "/v1beta") if cell.upstream == "gemini" else base)
    config = Config(nodes=(scripted,), proxies={("global", ""): None})
    visit = Visit(who, config=config, rehearsal=True)
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
        verdict.request(feature, WIRES[cell.client], sent, wire, scene.asked[0], cell.dropped)
    heard = _hear(cell, answer, verdict)
    if feature.kind == "refusal":
        verdict.refusal(script.status, script.text, answer.status, heard)
    elif feature.kind == "broken":
        verdict.broken(script.text, heard)
    else:
        verdict.answer(feature, script.spoken, heard)


async def _ask_real(runtime: Runtime, cell: Cell, who: Comer, real: Real, verdict: Verdict) -> None:
    visit = Visit(who, config=real.config)
    feature = cell.feature
    sent, answer = await _send(runtime, cell, visit, real.model, secrets.token_hex(4), REAL_LIMIT)
    if feature.kind == "count":
        return _counted(cell, answer, verdict)
    heard = _hear(cell, answer, verdict)
    verdict.expect("the client's status", 200, answer.status)
    tried = cell.kept[1].tried if cell.kept else ()
    last = tried[-1] if tried else None
    if last is None or last.sent is None or last.got is None:
        verdict.expect("the upstream was asked", True, False)
        return
    wire = WIRES[last.dialect]  # type: ignore[index]
    if last.sent.cut or last.got.cut:
        cell.reason = "too much was said to be compared"
        return
    verdict.request(feature, WIRES[cell.client], sent, wire, json.loads(last.sent.body), cell.dropped)
    streamed = sent.get("stream") or feature.ask("").stream
    said = wire.heard_stream(last.got.body) if streamed else wire.heard(json.loads(last.got.body))
    verdict.expect("an error of the upstream", "", said.fault)
    verdict.answer(feature, replace(said, fault=""), heard)


async def _send(
    runtime: Runtime, cell: Cell, visit: Visit, model: str, word: str, seconds: float
) -> tuple[Body, Answered]:
    wire, asked = WIRES[cell.client], cell.feature.ask(word)
    path, body = (wire.count if cell.feature.kind == "count" else wire.ask)(asked, model)
    letter = Letter(path, json.dumps(body).encode())
    answer = await ask(runtime, visit, letter, seconds=seconds, largest=LARGEST)
    cell.status = answer.status
    cell.kept = await noted(runtime, visit.exchange) if cell.feature.kind != "count" else None
    if cell.kept:
        cell.dropped = cell.kept[0].row.dropped
    return body, answer


def _hear(cell: Cell, answer: Answered, verdict: Verdict) -> Spoken:
    """Read what the client got, as its dialect has it."""
    wire, streamed = WIRES[cell.client], cell.feature.ask("").stream
    if streamed and answer.status == 200:
        verdict.expect("the client's content-type", "text/event-stream", answer.content_type.partition(";")[0])
        heard: Spoken = wire.heard_stream(answer.body)
    else:
        heard = wire.heard(json.loads(answer.body))
    return heard


def _counted(cell: Cell, answer: Answered, verdict: Verdict) -> None:
    verdict.expect("the client's status", 200, answer.status)
    count = WIRES[cell.client].counted(json.loads(answer.body))
    if not (isinstance(count, int) and count > 0):
        verdict.expect("a count of tokens", "a number over 0", count)
