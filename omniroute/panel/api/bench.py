"""Routes for the test bench, which tests the translation of each feature between dialects with real requests."""

import asyncio
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Literal, get_args

from pydantic import Field

from omniroute.bench.features import BY_ID, FEATURES
from omniroute.bench.runner import Cell as Tried
from omniroute.bench.runner import RealAccount
from omniroute.catalog.providers import find
from omniroute.errors import BadRequest, NotFound
from omniroute.gateway.runtime import Runtime
from omniroute.panel.api.live_exchanges import Detail, detail
from omniroute.panel.api.translator import Dialect
from omniroute.panel.routes import Body, Call, delete, get, post
from omniroute.routing.model_index import ModelIndex

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
AT_ONCE = 4
type State = Literal["waiting", "running", "passed", "lossy", "failed", "skipped"]


class Wanted(Body):
    clients: list[Dialect] = Field(default_factory=lambda: [*DIALECTS], min_length=1, max_length=4)
    upstreams: list[Dialect] = Field(default_factory=lambda: [*DIALECTS], min_length=1, max_length=4)
    features: list[str] = Field(default_factory=lambda: [*BY_ID], min_length=1, max_length=len(FEATURES))
    account: str | None = Field(None, max_length=100, description="Ask this one, in place of the scripted upstreams.")
    model: str | None = Field(None, max_length=300, description="Of the account.")
    at_once: int = Field(AT_ONCE, ge=1, le=AT_ONCE, description="Requests that are under way together.")


class Feature(Body):
    id: str
    title: str
    clients: list[Dialect] = Field(description="The dialects that have it.")
    real: bool = Field(description="An account can be asked for it.")


class Wrong(Body):
    what: str
    expected: str
    got: str


class Cell(Body):
    number: int
    client: Dialect
    upstream: Dialect | None = Field(description="Null is whatever the account speaks.")
    feature: str
    state: State = Field(description="`lossy` is what came through but for something that was said to be left out.")
    reason: str
    failures: list[Wrong]
    status: int | None
    dropped: tuple[str, ...]
    ms: float | None
    exchange: bool = Field(description="It can be looked at.")


class Run(Body):
    running: bool
    started_at: float | None
    ended_at: float | None
    model: str | None = Field(description="That of the account that was asked; null for the scripted upstreams.")
    done: int
    total: int
    cells: list[Cell]
    features: list[Feature] = Field(description="All that can be tried out.")


@get("/api/translator/bench", "Show how far the test run is, or what the last one has found.")
async def show(call: Call) -> Run:
    bench = call.door.bench
    cells = [_cell(number, each) for number, each in enumerate(bench.cells)]
    return Run(
        running=bench.running,
        started_at=bench.started_at,
        ended_at=bench.ended_at,
        model=bench.real.model if bench.real else None,
        done=sum(each.state not in ("waiting", "running") for each in cells),
        total=len(cells),
        cells=cells,
        features=[Feature(id=f.id, title=f.title, clients=[*f.clients], real=f.real) for f in FEATURES],
    )


@post("/api/translator/bench", "Begin a test run; there is one at a time.", status=202)
async def begin(call: Call, body: Wanted) -> Run:
    """Start a test run in the event loop. Raises BadRequest for an unknown feature, account or missing model."""
    unknown = next((each for each in body.features if each not in BY_ID), None)
    if unknown is not None:
        raise BadRequest(f"there is no feature {unknown[:100]!r}: there are {', '.join(BY_ID)}", param="features")
    real = _real(call.runtime, body)
    call.door.bench.start(
        list(dict.fromkeys(body.clients)),
        [None] if real else list(dict.fromkeys(body.upstreams)),
        [BY_ID[each] for each in dict.fromkeys(body.features)],
        who=call.visitor.client,
        real=real,
        at_once=body.at_once,
    )
    return await show.run(call)  # type: ignore[no-any-return]


@delete("/api/translator/bench", "Stop the test run; what it has found so far stays.")
async def stop(call: Call) -> Run:
    await call.door.bench.stop()
    return await show.run(call)  # type: ignore[no-any-return]


@get("/api/translator/bench/{number}", "Show one exchange of the test run, with what was said on both sides.")
async def exchange(call: Call) -> Detail:
    number, cells = call.path["number"], call.door.bench.cells
    cell = cells[int(number)] if number.isascii() and number.isdigit() and int(number[:9]) < len(cells) else None
    if cell is None or cell.kept is None:
        raise NotFound("there is no such exchange in the last test run")
    return await asyncio.to_thread(detail, *cell.kept, call.runtime.web_url)


def _cell(number: int, tried: Tried) -> Cell:
    return Cell(
        number=number,
        client=tried.client,
        upstream=tried.upstream,
        feature=tried.feature.id,
        state=tried.state,
        reason=tried.reason,
        failures=[Wrong(**asdict(each)) for each in tried.wrong],
        status=tried.status,
        dropped=tried.dropped,
        ms=tried.ms,
        exchange=tried.kept is not None,
    )


def _real(runtime: Runtime, wanted: Wanted) -> RealAccount | None:
    """Build a configuration with the wanted account only; None if the scripted upstreams are to be used.

    Raises BadRequest for an unknown account or a missing model.
    """
    if wanted.account is None:
        return None
    config = runtime.config
    account = ModelIndex.of(config).everybody().get(wanted.account)
    provider = find(account.provider, config.nodes) if account else None
    if account is None or provider is None:
        raise BadRequest("there is no such account", param="account")
    if not wanted.model:
        raise BadRequest("say which of its models is asked", param="model")
    model = wanted.model.removeprefix(f"{provider.prefix}/")
    own = tuple(each for each in config.accounts if each.id == account.id)
    alone = replace(config, accounts=own, combos=MappingProxyType({}), aliases=(), chains=())
    return RealAccount(alone, f"{provider.prefix}/{model}")
