"""How long exchanges take, right now."""

from statistics import fmean

from pydantic import Field

from omniroute.panel.route import Body, Call, Query, get
from omniroute.store import times
from omniroute.store.times import percentile

LONGEST = 24 * 3600 * 1000


class Window(Query):
    window_ms: int = Field(300_000, ge=1000, le=LONGEST, description="How far to look back.")


class Times(Body):
    count: int
    p50: float | None = Field(description="Milliseconds, as all here; null where nothing was answered.")
    p95: float | None
    p99: float | None
    avg: float | None


class Summary(Times):
    window_ms: int
    cut: bool = Field(description="There were more exchanges than are looked at: these are the newest 100,000.")
    phase_breakdown: dict[str, Times] = Field(
        description="`firstContent`: until the first content; `gateway`: what the gateway itself took before it asked."
    )


@get("/api/telemetry/summary", "How long the exchanges of the last minutes took that were answered.")
def summary(call: Call, query: Window) -> Summary:
    found, cut = times.since(call.store, call.store.clock() - query.window_ms / 1000)
    parts = {name: _times(ordered) for name, ordered in found.items() if name != "total"}
    total = _times(found["total"])
    return Summary(**total.model_dump(), window_ms=query.window_ms, cut=cut, phase_breakdown=parts)


def _times(ordered: list[float]) -> Times:
    p50, p95, p99 = (percentile(ordered, part) for part in (0.5, 0.95, 0.99))
    return Times(count=len(ordered), p50=p50, p95=p95, p99=p99, avg=fmean(ordered) if ordered else None)
