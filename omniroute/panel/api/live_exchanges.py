"""Routes for exchanges captured by the live monitor, with their requests and responses on both sides."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from omniroute.errors import NotFound
from omniroute.gateway.live_monitor import CapturedAttempt, CapturedExchange, CapturedMessage, MonitoredExchange, State
from omniroute.panel.api.usage import Attempt, Exchange
from omniroute.panel.routes import Body, Call, Query, get
from omniroute.redaction import KnownSecrets
from omniroute.store.history.usage import UsageRow

PHASES = ("began", "sent", "head", "content", "ended")


class Said(Body):
    start: str = Field(description="Where it went, or its status.")
    headers: list[tuple[str, str]]
    text: str
    cut: bool = Field(description="There was more of it.")


class Passing(Exchange):
    """An exchange in the live monitor, with its state and mitmproxy flow."""

    status: int | None = Field(description="Null as long as the client has no answer.")
    state: Literal["waiting", "asking", "answering", "done"]
    flow: str = Field(description="The id of its flow in mitmproxy.")


class Last(Query):
    limit: int = Field(50, ge=1, le=500)


class Passed(Body):
    success: bool
    events: list[Passing] = Field(description="None while nobody watches: then nothing is kept.")
    total: int = Field(description="Of all that are kept.")


class Step(Attempt):
    dialect: str
    times: dict[str, float] = Field(description="Milliseconds since the exchange began.")
    request: Said | None = Field(description="Null where nothing was sent, or nobody watched when it was.")
    reply: Said | None


class Detail(Passing):
    client_request: Said
    steps: list[Step]
    client_reply: Said | None
    mitmweb: str | None = Field(description="Where mitmweb shows it.")


@get("/api/translator/exchanges/{id}", "Show an exchange that somebody watches, with what was said on both sides.")
async def exchange(call: Call) -> Detail:
    """Find the captured exchange in the event loop and format it in a thread. Raises NotFound if it is not kept."""
    found = call.runtime.watching.find(call.path["id"])
    if found is None:
        raise NotFound("that exchange is not kept: bodies are, of the last ones that passed while somebody watched")
    return await asyncio.to_thread(detail, *found, call.runtime.web_url)


@get("/api/translator/history", "List the exchanges that are kept for who watches, the newest first.")
async def history(call: Call, query: Last) -> Passed:
    watching = call.runtime.watching
    seen = [(each.row, each.state, each.flow_id) for each in reversed(watching.recent(query.limit))]
    return await asyncio.to_thread(_passed, seen, watching.kept)


def _passed(seen: Sequence[tuple[UsageRow, State, str]], total: int) -> Passed:
    events = [Passing(**asdict(row), state=state, flow=flow) for row, state, flow in seen]
    return Passed(success=True, events=events, total=total)


def detail(seen: MonitoredExchange, taken: CapturedExchange, web_url: str | None) -> Detail:
    """Build the detail of a captured exchange, with all requests and responses and all known secrets redacted."""
    known = KnownSecrets({secret for tried in taken.attempts for secret in tried.secrets})
    row = asdict(seen.row)
    steps = [_step(attempt, tried, known) for attempt, tried in zip(row["attempts"], taken.attempts, strict=False)]
    return Detail(
        **row,
        state=seen.state,
        flow=seen.flow_id,
        client_request=_said(taken.request, known),
        steps=steps,
        client_reply=_said(taken.reply, known) if taken.reply else None,
        mitmweb=_in_mitmweb(web_url, seen.flow_id),
    )


def _step(attempt: dict[str, Any], tried: CapturedAttempt, known: KnownSecrets) -> Step:
    times = {name: at * 1000 for name, at in zip(PHASES, tried.times, strict=True) if at is not None}
    return Step(
        **attempt,
        dialect=tried.dialect,
        times=times,
        request=_said(tried.sent, known) if tried.sent else None,
        reply=_said(tried.got, known) if tried.got else None,
    )


def _said(message: CapturedMessage, known: KnownSecrets) -> Said:
    """Format a captured message with the upstream credentials redacted, which some upstreams repeat in responses."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.fields]
    return Said(
        start=known.redact(message.start),
        headers=[(name, known.redact(value)) for name, value in fields],
        text=known.redact(message.body.decode("utf-8", "replace")),
        cut=message.cut,
    )


def _in_mitmweb(web_url: str | None, flow: str) -> str | None:
    if web_url is None:
        return None
    at = urlsplit(web_url)
    return f"{at.scheme}://{at.netloc}/#/flows/{flow}/request"
