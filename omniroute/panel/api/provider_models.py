"""Routes for the models of a provider: those of the catalog and custom ones added by the user."""

from typing import Literal

from pydantic import Field

from omniroute.catalog.provider import Model, Provider
from omniroute.catalog.providers import find
from omniroute.errors import NotFound
from omniroute.panel.routes import Body, Call, Query, delete, get, post
from omniroute.routing.model_index import ModelIndex
from omniroute.store.config import custom_models as models
from omniroute.store.config import rows, snapshot
from omniroute.store.config.validation import provider_id


class Custom(Body):
    id: str
    name: str
    source: Literal["manual"] = "manual"
    context_length: int | None
    max_output_tokens: int | None
    images: bool | None
    tools: bool | None


class Customs(Body):
    models: list[Custom] | dict[str, list[Custom]] = Field(description="Of the provider; without one, by provider.")


class NewModel(Body):
    """A custom model; fields given here override the catalog."""

    provider: str = Field(description="A provider's or a node's id or prefix.")
    model_id: str = Field(description="As the provider calls it.")
    model_name: str | None = None
    source: str | None = Field(None, description="Taken and not kept: all that are added here are `manual`.")
    context_length: int | None = None
    max_output_tokens: int | None = None
    images: bool | None = Field(None, description="Whether it takes pictures.")
    tools: bool | None = Field(None, description="Whether it calls tools.")


class Added(Body):
    model: Custom


class Removed(Body):
    removed: bool


class Of(Query):
    provider: str | None = None


class Which(Query):
    provider: str
    model: str


class Offered(Body):
    id: str
    name: str
    custom: bool
    context_length: int | None
    max_output_tokens: int | None


class Offers(Body):
    provider: str
    prefix: str
    models: list[Offered]


@get("/api/provider-models", "List the models that were added.")
def list_(call: Call, query: Of) -> Customs:
    added = {owner: [_shown(each) for each in those] for owner, those in rows.models(call.store).items()}
    if query.provider is None:
        return Customs(models=added)
    return Customs(models=added.get(provider_id(query.provider, rows.nodes(call.store)), []))


@post("/api/provider-models", "Add a model to a provider, or say more of one.")
def add(call: Call, body: NewModel) -> Added:
    made = Model(
        body.model_id, body.model_name, body.context_length, body.max_output_tokens, body.images, body.tools
    )  # fmt: skip
    models.add(call.store, body.provider, made)
    return Added(model=_shown(made))


@delete("/api/provider-models", "Forget a model that was added.")
def remove(call: Call, query: Which) -> Removed:
    with call.store.change():
        owner = provider_id(query.provider, rows.nodes(call.store))
        there = any(each.id == query.model for each in rows.models(call.store).get(owner, ()))
        if there:
            models.remove(call.store, owner, query.model)
    return Removed(removed=there)


@get("/api/providers/{id}/models", "List the models of a provider or a node, or of an account's.")
def offered(call: Call) -> Offers:
    config, ref = snapshot.load(call.store), call.path["id"]
    names = ModelIndex.of(config)
    account = next((each for each in config.accounts if each.id == ref), None)
    provider: Provider | None = find(account.provider if account else ref, config.nodes)
    if provider is None:
        raise NotFound(f"there is no account and no provider with the id {ref[:100]!r}")
    return Offers(
        provider=provider.id,
        prefix=provider.prefix,
        models=[
            Offered(
                id=each.id,
                name=each.name or each.id,
                custom=names.added(provider, each.id) is not None,
                context_length=each.context,
                max_output_tokens=each.max_output,
            )
            for each in names.models(provider)
        ],
    )


def _shown(model: Model) -> Custom:
    return Custom(
        id=model.id,
        name=model.name or model.id,
        context_length=model.context,
        max_output_tokens=model.max_output,
        images=model.images,
        tools=model.tools,
    )
