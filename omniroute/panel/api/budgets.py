"""Routes for the budgets of keys."""

from typing import Annotated

from pydantic import Field

from omniroute.errors import BadRequest
from omniroute.panel.routes import Body, Call, Query, delete, get, post
from omniroute.store.config import budgets
from omniroute.store.history import budget_status as spent


class Budget(Body):
    key: str = Field(description="The key's name.")
    key_id: str | None = Field(description="Null for the requests without a key.")
    period: str
    limit: float = Field(description="US dollars, as all amounts here.")
    spent: float = Field(description="Without what is set aside for requests that are running.")
    set_aside: float = Field(description="What requests that are running now may cost.")
    left: float = Field(description="Of the limit, without what is spent and what is set aside.")
    part: float
    warn: float = Field(description="From which part on warnings are said.")
    state: str = Field(description="`ok`, `warn` or `spent`.")
    estimated: float = Field(description="The part of what is spent that is an estimate.")
    unpriced: int = Field(description="Exchanges of unknown price, which are not in this.")
    zone: str
    began_at: float
    resets_at: float


class Budgets(Body):
    budgets: list[Budget]


class NewBudget(Body):
    key_id: str | None = Field(None, description="A key's id or name; `-` is for the requests without a key.")
    limit: float | None = Field(None, description="US dollars.")
    period: str = Field("monthly", description="`daily`, `weekly` or `monthly`.")
    warn: float | None = Field(None, description="A part of the whole; else 0.8.")
    api_key_id: str | None = Field(None, description="Another name for `keyId`.")
    daily_limit_usd: float | None = None
    weekly_limit_usd: float | None = None
    monthly_limit_usd: float | None = None
    warning_threshold: float | None = Field(None, description="Another name for `warn`.")


class Whose(Query):
    key_id: str | None = None
    api_key_id: str | None = None


class Which(Query):
    key_id: Annotated[str, Field(description="A key's id or name, or `-`.")]
    period: str | None = Field(None, description="All of the key's, if it is left out.")


@get("/api/usage/budget", "Show how budgets stand: all, or those of a key.")
def show(call: Call, query: Whose) -> Budgets:
    ref = query.key_id or query.api_key_id
    chosen = None if ref is None else budgets.owner(call.store, ref)[0]
    return _budgets(call, chosen)


@post("/api/usage/budget", "Let a key spend so much in each period; it acts at once.")
def put(call: Call, body: NewBudget) -> Budgets:
    ref, warn = body.key_id or body.api_key_id, body.warn if body.warn is not None else body.warning_threshold
    if ref is None:
        raise BadRequest("say whose budget it is", param="keyId")
    wanted = {
        "daily": body.daily_limit_usd,
        "weekly": body.weekly_limit_usd,
        "monthly": body.monthly_limit_usd,
    }
    if body.limit is not None:
        wanted[body.period] = body.limit
    said = {period: usd for period, usd in wanted.items() if usd is not None}
    if not said:
        raise BadRequest("say how much it may spend, in US dollars", param="limit")
    with call.store.change():
        for period, usd in said.items():
            budgets.put(call.store, ref, period, usd, warn)
    return _budgets(call, budgets.owner(call.store, ref)[0])


@delete("/api/usage/budget", "Let a key spend without a limit.")
def clear(call: Call, query: Which) -> Budgets:
    budgets.clear(call.store, query.key_id, query.period)
    return _budgets(call, None)


def _budgets(call: Call, chosen: str | None) -> Budgets:
    found = [one for key, of in budgets.load(call.store).items() if chosen in (None, key) for one in of]
    held = call.runtime.spending.ledger.reserved
    return Budgets(budgets=[Budget(**row) for row in spent.standings(call.store, found, call.runtime.wall(), held)])
