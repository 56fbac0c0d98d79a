"""Routes of one provider: `/v1/providers/{provider}/…` asks nobody else."""

from omniroute.errors import BadRequest, NotFound
from omniroute.routing.config import Config
from omniroute.routing.names import Names
from omniroute.routing.near import near


def at_provider(asked: str, model: str, config: Config) -> str:
    """Give the whole name of a model that is asked for on the route of a provider (its prefix or id).

    The prefix may be missing. NotFound for a provider that does not exist, BadRequest for a model of another.
    """
    names = Names.of(config)
    provider = names.provider(asked)
    if provider is None:
        hint = ", ".join(near(asked, [row.prefix for row in names.in_use]))
        raise NotFound(f"there is no provider {asked[:80]!r}{f'. Near names: {hint}' if hint else ''}")
    prefix, slash, rest = model.partition("/")
    if rest and prefix in (provider.prefix, provider.id):
        return f"{provider.prefix}/{rest}"
    if slash and model not in {known.id for known in names.models(provider)} and (other := names.provider(prefix)):
        raise BadRequest(
            f"{model[:80]!r} is a model of {other.name}, and this route asks {provider.name} alone; if {provider.name} "
            f"has a model of that name, ask for '{provider.prefix}/{model[:80]}'",
            param="model",
            code="model_not_found",
        )
    return f"{provider.prefix}/{model}"
