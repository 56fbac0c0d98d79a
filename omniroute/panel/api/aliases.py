"""Routes for model aliases, fallback chains, and explaining how a model name is routed."""

from pydantic import Field

from omniroute.catalog.provider import DialectName
from omniroute.config import model as config
from omniroute.errors import NotFound
from omniroute.gateway import explain
from omniroute.panel.routes import Body, Call, Query, delete, get, post, put
from omniroute.routing.resolve import MissingEntry, step
from omniroute.store.config import aliases, chains, rows, snapshot
from omniroute.store.db.files import StoreError


class Aliases(Body):
    aliases: dict[str, str] = Field(description="Pattern -> model, combo or another alias; the oldest first.")


class NewAlias(Body):
    alias: str = Field(description="A name, or a pattern: * is any run of characters, ? is one.")
    model: str = Field(description="What it means: a model, a combo or another alias.")


class WhichAlias(Query):
    alias: str


class Chain(Body):
    name: str
    models: list[str] = Field(description="Models only; each is asked in turn when all that was meant has failed.")
    serves: list[str] = Field([], description="Patterns of the names that it stands behind; none is all.")


class Shown(Chain):
    left_out: dict[str, str] = Field(description="Model -> why it cannot be asked now.")


class Chains(Body):
    chains: list[Shown] = Field(description="In the order in which they are asked.")


class WhichChain(Query):
    name: str


class Asked(Query):
    model: str = Field(min_length=1, max_length=500)
    key: str | None = Field(None, description="As the client with this key would see it: its name or id.")
    dialect: DialectName | None = Field(None, description="As a client of this dialect would; else of any.")


class Wait(Body):
    seconds: float = Field(description="0 is no deadline, where that may be.")
    by: str = Field(description="Who says so: `all`, a provider or a combo.")
    thinking: bool


class Switch(Body):
    enabled: bool
    by: str


class Way(Body):
    """A target with the proxy, limits and deadlines that apply to it."""

    target: str
    account: str
    account_id: str
    model: str
    dialect: str
    why: str
    proxy: str | None
    proxy_from: str | None
    limited: str | None = Field(description="Why it would be passed over now, as its account is at a limit.")
    deadlines: dict[str, Wait]
    hedge: Switch
    resume: Switch


class LeftOut(Body):
    target: str
    account: str | None
    why: str


class Explained(Body):
    asked: str
    kind: str
    combo: str | None
    aliases: list[dict[str, str]]
    passed_over: list[dict[str, str]]
    targets: list[Way] = Field(description="In the order in which they would be asked.")
    left_out: list[LeftOut]


@get("/api/models/alias", "List the aliases.")
def list_aliases(call: Call) -> Aliases:
    return Aliases(aliases={each.pattern: each.target for each in rows.aliases(call.store)})


@put("/api/models/alias", "Add an alias, or give one another meaning.")
def put_alias(call: Call, body: NewAlias) -> Aliases:
    aliases.add(call.store, body.alias, body.model)
    return list_aliases.run(call)  # type: ignore[no-any-return]


@delete("/api/models/alias", "Remove an alias.")
def remove_alias(call: Call, query: WhichAlias) -> Aliases:
    try:
        aliases.remove(call.store, query.alias)
    except StoreError as error:
        raise NotFound(str(error)) from error
    return list_aliases.run(call)  # type: ignore[no-any-return]


@get("/api/fallback/chains", "List the fallback chains.")
def list_chains(call: Call) -> Chains:
    held = snapshot.load(call.store)
    return Chains(chains=[_shown(each, held) for each in held.chains])


@post("/api/fallback/chains", "Add a chain, behind those that are there.", status=201)
def add_chain(call: Call, body: Chain) -> Chains:
    chains.add(call.store, body.name, body.models, body.serves)
    return list_chains.run(call)  # type: ignore[no-any-return]


@delete("/api/fallback/chains", "Remove a chain.")
def remove_chain(call: Call, query: WhichChain) -> Chains:
    try:
        chains.remove(call.store, query.name)
    except StoreError as error:
        raise NotFound(str(error)) from error
    return list_chains.run(call)  # type: ignore[no-any-return]


@get("/api/route/explain", "Say who would be asked for a model, in which order and why, without asking.")
def explain_(call: Call, query: Asked) -> Explained:
    environment = call.runtime.environment
    found = explain.explain(call.store, query.model, environment, running=True, key=query.key, dialect=query.dialect)
    return Explained.model_validate(explain.as_json(found))


def _shown(chain: config.Chain, held: config.Config) -> Shown:
    means = {model: step(model, held) for model in chain.models}
    out = {model: each.reason for model, each in means.items() if isinstance(each, MissingEntry)}
    return Shown(name=chain.name, models=list(chain.models), serves=list(chain.serves), left_out=out)
