"""Prices that somebody has set, over those of the price library."""

from math import isfinite

from omniroute.catalog.providers import find
from omniroute.catalog.rates import CLASSES, EVERY, Price
from omniroute.store import read
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.names import model_id, provider_id, quoted
from omniroute.store.tables import Prices

MOST = 100_000.0
"""USD for a million tokens: some hundred times what the dearest model costs."""


def load(store: Store) -> dict[tuple[str, str], Price]:
    """Return what is set: (provider id, model or `*`) -> price."""
    query = Prices.select().order_by(Prices.provider, Prices.model)
    return {
        (row["provider"], row["model"]): Price(**{name: row[name] for name in CLASSES}) for row in store.rows(query)
    }


def named(store: Store, ref: str) -> tuple[str, str]:
    """Read `PROVIDER/MODEL`, or `PROVIDER/*` for all its models; StoreError when no provider is meant."""
    prefix, slash, model = ref.partition("/")
    if not slash or not model:
        raise StoreError(f"{quoted(ref)} names no model: say PROVIDER/MODEL, or PROVIDER/* for all of its models")
    owner = provider_id(prefix, read.nodes(store))
    return owner, EVERY if model == EVERY else model_id(model)


def put(store: Store, ref: str, price: Price) -> tuple[tuple[str, str], Price]:
    """Set classes of a price and return all that is set there; what is not said stays."""
    said = {name: value for name in CLASSES if (value := getattr(price, name)) is not None}
    for name, value in said.items():
        if not (isfinite(value) and 0 <= value <= MOST):
            raise StoreError(f"the price of {name} cannot be {value:g}: it takes 0 to {MOST:,.0f} USD a million tokens")
    with store.change():
        place = named(store, ref)
        held = load(store).get(place, Price())
        made = Price(**{name: said.get(name, getattr(held, name)) for name in CLASSES})
        _delete(store, place)
        store.run(Prices.insert(provider=place[0], model=place[1], **{name: getattr(made, name) for name in CLASSES}))
    return place, made


def reset(store: Store, ref: str) -> tuple[str, str]:
    """Go back to the library's price; StoreError where nothing is set."""
    with store.change():
        place = named(store, ref)
        if not _delete(store, place):
            raise StoreError(f"no price is set for {quoted('/'.join(place))}")
    return place


def reset_all(store: Store) -> int:
    """Go back to the library's prices, and return how many were set."""
    with store.change():
        return store.run(Prices.delete())


def shown_as(store: Store, place: tuple[str, str]) -> str:
    """Name a place as models are named: with the prefix."""
    provider = find(place[0], read.nodes(store))
    return f"{provider.prefix if provider else place[0]}/{place[1]}"


def _delete(store: Store, place: tuple[str, str]) -> int:
    return store.run(Prices.delete().where((Prices.provider == place[0]) & (Prices.model == place[1])))
