"""Routes for the catalog of available models and for the gateway's endpoint."""

from pydantic import Field

from omniroute.panel.routes import Body, Call, get
from omniroute.routing.model_index import ModelIndex
from omniroute.routing.model_list import ListedModel, list_models
from omniroute.store.config import rows


class Model(Body):
    id: str = Field(description="The name to ask for.")
    name: str
    type: str = "chat"
    custom: bool = Field(False, description="Added by hand.")
    context_length: int | None
    max_output_tokens: int | None


class Group(Body):
    provider: str
    active: bool
    models: list[Model]


class Catalog(Body):
    catalog: dict[str, Group] = Field(description="By prefix: the providers that have an account, and the nodes.")
    combos: list[Model]
    aliases: list[Model]


class Endpoint(Body):
    url: str
    require_key: bool = Field(description="Also from this machine.")
    accounts: int
    nodes: int
    combos: int
    keys: int


@get("/api/models/catalog", "List everything that can be asked for.")
def catalog(call: Call) -> Catalog:
    config = call.runtime.config
    names = ModelIndex.of(config)
    groups: dict[str, Group] = {}
    together: dict[str, list[Model]] = {"combo": [], "alias": []}
    for each in list_models(config):
        if each.owner in together:
            together[each.owner].append(_model(each))
            continue
        prefix, _, model = each.id.partition("/")
        provider = names.provider(prefix)
        custom = provider is not None and names.added(provider, model) is not None
        group = groups.setdefault(prefix, Group(provider=each.owner, active=True, models=[]))
        group.models.append(_model(each, custom=custom))
    return Catalog(catalog=groups, combos=together["combo"], aliases=together["alias"])


@get("/api/endpoint", "Say where clients go, and what is set up.")
def endpoint(call: Call) -> Endpoint:
    config = call.runtime.config
    return Endpoint(
        url=call.runtime.address,
        require_key=call.runtime.limits.require_key,
        accounts=len(config.accounts),
        nodes=len(config.nodes),
        combos=len(config.combos),
        keys=sum(key.revoked_at is None for key in rows.keys(call.store)),
    )


def _model(each: ListedModel, *, custom: bool = False) -> Model:
    return Model(
        id=each.id,
        name=each.id.rpartition("/")[2],
        custom=custom,
        context_length=each.context,
        max_output_tokens=each.max_output,
    )
