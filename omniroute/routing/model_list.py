"""The list of models that clients can request."""

from dataclasses import dataclass

from omniroute.catalog.models import known_models
from omniroute.config.model import Config, is_wild
from omniroute.errors import GatewayError
from omniroute.routing.model_index import ModelIndex
from omniroute.routing.resolve import resolve


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model name that can be requested."""

    id: str
    owner: str
    context: int | None = None
    max_output: int | None = None


def list_models(config: Config) -> list[ListedModel]:
    """List combos, aliases without wildcards, then the models of every provider in use.

    The first call loads the catalog and takes long: call it in a thread. The models of a node are not in the catalog;
    those that combos and chains name are listed.
    """
    names = ModelIndex.of(config)
    of_models: dict[str, ListedModel] = {}
    for provider in names.in_use:
        for model in dict.fromkeys((*names.added_to(provider), *known_models(provider))):
            name = f"{provider.prefix}/{model.id}"
            of_models.setdefault(name, ListedModel(name, provider.id, model.context, model.max_output))
    plain = [alias.pattern for alias in config.aliases if not is_wild(alias.pattern)]
    found = {name: _together(name, "combo", config, of_models) for name in config.combos}
    for name in plain:
        found.setdefault(name, _together(name, "alias", config, of_models))
    for name, listed_ in of_models.items():
        found.setdefault(name, listed_)
    named = (*(combo.models for combo in config.combos.values()), *(chain.models for chain in config.chains))
    for name in (model for models in named for model in models):
        owner = names.provider(name.partition("/")[0]) if "/" in name else None
        if owner in names.in_use:
            found.setdefault(name, ListedModel(name, owner.id))
    return list(found.values())


def _together(name: str, owner: str, config: Config, known: dict[str, ListedModel]) -> ListedModel:
    """List a name that stands for several models, with the smallest limits among them."""
    try:
        legs = resolve(name, config).legs
    except GatewayError:
        return ListedModel(name, owner)
    facts = [known[leg.name] for leg in legs if leg.name in known]
    contexts = [fact.context for fact in facts if fact.context is not None]
    outputs = [fact.max_output for fact in facts if fact.max_output is not None]
    return ListedModel(name, owner, min(contexts, default=None), min(outputs, default=None))
