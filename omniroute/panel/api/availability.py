"""Which models are held back right now, and letting one be asked again."""

from pydantic import Field

from omniroute.errors import NotFound
from omniroute.panel.route import Body, Call, get, post
from omniroute.routing.names import Names


class HeldBack(Body):
    provider: str
    model: str
    account: str
    reason: str = Field(description="As `rate`, `quota`, `auth` or `server`.")
    remaining_ms: int
    unavailable_since: float = Field(description="Seconds of the epoch.")


class Availability(Body):
    unavailable_count: int
    models: list[HeldBack] = Field(description="By account, too: what fails at one may be well at another.")


class Which(Body):
    """A model of a provider, at all of its accounts."""

    provider: str = Field(max_length=200)
    model: str = Field(max_length=300)


class Cleared(Body):
    success: bool
    cleared: int = Field(description="Accounts that may be asked for it again.")


@get("/api/models/availability", "List the models that are held back after failures, at which accounts, and how long.")
async def availability(call: Call) -> Availability:
    now, known = call.runtime.wall(), Names.of(call.runtime.config).everybody()
    held = [
        HeldBack(
            provider=known[whose].provider,
            model=model,
            account=known[whose].name,
            reason=each.cause,
            remaining_ms=int((each.until - now) * 1000),
            unavailable_since=each.since,
        )
        for (_, whose, model), each in call.runtime.choosing.health.snapshot().cooling.items()
        if model and each.until > now and whose in known
    ]
    return Availability(unavailable_count=len(held), models=held)


@post("/api/models/availability", "Let a model be asked again at all accounts of a provider.")
async def clear(call: Call, body: Which) -> Cleared:
    names = Names.of(call.runtime.config)
    provider = names.provider(body.provider)
    if provider is None:
        raise NotFound(f"there is no provider {body.provider!r}", param="provider")
    accounts = [account.id for account in names.accounts(provider)]
    return Cleared(success=True, cleared=call.runtime.choosing.ask_again(accounts, body.model))
