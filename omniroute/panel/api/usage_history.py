"""Routes for recent usage: sums by provider, model, account and key, and the last exchanges."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import Field

from omniroute.panel.api.usage import Exchange, Period, since
from omniroute.panel.routes import Body, Call, Query, Text, get
from omniroute.routing.model_index import ModelIndex
from omniroute.store.history import summaries, usage
from omniroute.store.history.summaries import MinuteSum, UsageSum
from omniroute.store.history.usage import UsageRow

RECENT, MINUTES = 20, 10
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters and line breaks, replaced in text logs: a client can put any text into a model name."""


class Part(Body):
    name: str | None
    requests: int
    prompt_tokens: int = Field(description="With those that a prompt cache held.")
    completion_tokens: int
    cost: float = Field(description="US dollars, of the exchanges whose cost is known.")


class Minute(Body):
    at: float = Field(description="When it begins, as seconds of the epoch.")
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float


class Busy(Body):
    provider: str
    account: str
    count: int


class History(Body):
    total_requests: int
    total_prompt_tokens: int
    total_completion_tokens: int
    total_cost: float
    by_provider: dict[str, Part] = Field(description="By id, here and below; empty is what has no such thing.")
    by_model: dict[str, Part]
    by_account: dict[str, Part]
    by_api_key: dict[str, Part]
    last10_minutes: list[Minute] = Field(description="The oldest first; minutes without an exchange are there too.")
    pending: int = Field(description="Exchanges that accounts are busy with, right now.")
    active_requests: list[Busy]
    recent_requests: list[Exchange] = Field(description="The newest first.")


class Few(Query):
    limit: int = Field(200, ge=1, le=1000)


@get("/api/usage/history", "Add up a time by everything, with what passes now and what passed last.")
async def history(call: Call, query: Period) -> History:
    begins, known = since(query.period, call.runtime.wall()), ModelIndex.of(call.runtime.config).everybody()
    counted = [(known[id], count) for id, count in call.runtime.choosing.busy().items() if id in known]
    busy = [Busy(provider=each.provider, account=each.name, count=count) for each, count in counted]
    return await asyncio.to_thread(_history, call, begins, busy)


def _history(call: Call, begins: float, busy: list[Busy]) -> History:
    store = call.store
    with store.view():
        total = summaries.totals(store, begins)
        return History(
            total_requests=total.requests,
            total_prompt_tokens=total.input,
            total_completion_tokens=total.output,
            total_cost=total.cost,
            by_provider=_parts(summaries.summary(store, "provider", begins)),
            by_model=_parts(summaries.summary(store, "model", begins)),
            by_account=_parts(summaries.summary(store, "account", begins)),
            by_api_key=_parts(summaries.summary(store, "key", begins)),
            last10_minutes=[_minute(each) for each in summaries.by_minute(store, MINUTES, call.runtime.wall())],
            pending=sum(each.count for each in busy),
            active_requests=busy,
            recent_requests=[Exchange(**asdict(row)) for row in usage.recent(store, RECENT)],
        )


def _parts(rows: Sequence[UsageSum]) -> dict[str, Part]:
    return {
        row.id or "": Part(
            name=row.name,
            requests=row.requests,
            prompt_tokens=row.input,
            completion_tokens=row.output,
            cost=row.cost,
        )
        for row in rows
    }


def _minute(each: MinuteSum) -> Minute:
    return Minute(
        at=each.at, requests=each.requests, prompt_tokens=each.input, completion_tokens=each.output, cost=each.cost
    )


@get("/api/usage/request-logs", "List the last exchanges as lines of text, the newest first.")
def lines(call: Call, query: Few) -> Text:
    """Format each exchange as `time | model | PROVIDER | account | tokens in | tokens out | status`."""
    return Text("".join(f"{_line(row)}\n" for row in usage.recent(call.store, query.limit)))


def _line(row: UsageRow) -> str:
    at = datetime.fromtimestamp(row.at, UTC).isoformat(sep=" ", timespec="seconds")
    said = (
        at.removesuffix("+00:00"),
        row.model_served or row.model_asked,
        (row.provider or "-").upper(),
        row.account_name or "-",
        "-" if row.input is None else row.input,
        "-" if row.output is None else row.output,
        row.status or "hung up",
    )
    return " | ".join(CONTROL.sub(" ", str(each)) for each in said)
