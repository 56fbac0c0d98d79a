"""Which targets a request is tried at, in order, and why each is where it is, or not there at all."""

from collections.abc import Iterator
from dataclasses import dataclass

from omniroute.catalog.provider import DialectName, Provider
from omniroute.dialects.hub import translates
from omniroute.errors import Forbidden
from omniroute.routing.allow import allowed
from omniroute.routing.config import Account, Config, Key
from omniroute.routing.names import Names
from omniroute.routing.resolve import Leg, Resolved, check_name, resolve
from omniroute.routing.strategies import strategy


@dataclass(frozen=True, slots=True)
class Target:
    """An account and a model that could serve the request, and the dialect in which they are asked."""

    account: Account
    provider: Provider
    model: str
    dialect: DialectName
    why: str

    @property
    def name(self) -> str:
        return f"{self.provider.prefix}/{self.model}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the name stands for too but cannot serve the request; `account` is a name, None for all accounts."""

    name: str
    account: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets in the order to be tried. With none, nothing can serve the request and `left` says why."""

    asked: str
    kind: str
    combo: str | None
    targets: tuple[Target, ...]
    left: tuple[LeftOut, ...]


def plan(name: str, config: Config, *, client: DialectName | None, key: Key | None = None) -> Plan:
    """Make the plan for a request in the dialect `client`; None plans for a client of any dialect.

    BadRequest when the name means nothing, Forbidden when the key may not ask for it.
    """
    check_name(name)
    if key is not None and key.allow and not allowed(key.allow, name):
        raise Forbidden(
            f"the key {key.name!r} may not use {name!r}; it may use {', '.join(key.allow)}",
            param="model",
            code="model_not_allowed",
        )
    resolved = resolve(name, config)
    targets: list[Target] = []
    left = [LeftOut(missing.name, None, missing.why) for missing in resolved.missing]
    seen: set[tuple[str, str]] = set()
    for found in _candidates(resolved, Names.of(config), client):
        if isinstance(found, LeftOut):
            left.append(found)
        elif (found.account.id, found.model) in seen:
            left.append(LeftOut(found.name, found.account.name, "is in the plan already"))
        else:
            seen.add((found.account.id, found.model))
            targets.append(found)
    combo = resolved.combo.name if resolved.combo else None
    return Plan(name, resolved.kind, combo, tuple(targets), tuple(left))


def _candidates(resolved: Resolved, names: Names, client: DialectName | None) -> Iterator[Target | LeftOut]:
    order = strategy(resolved.combo.strategy) if resolved.combo else list
    for leg in order(resolved.legs):
        accounts = names.accounts(leg.provider)
        dialect = _dialect(leg.provider, client)
        if not accounts:
            yield LeftOut(leg.name, None, f"{leg.provider.name} has no account")
        for account in accounts:
            if not account.enabled:
                yield LeftOut(leg.name, account.name, "the account is disabled")
            elif dialect is None:
                yield LeftOut(leg.name, account.name, _cannot(leg.provider, client))
            else:
                why = f"{_place(leg, resolved)}, account of priority {account.priority}{_told(client, dialect)}"
                yield Target(account, leg.provider, leg.model, dialect, why)


def _dialect(provider: Provider, client: DialectName | None) -> DialectName | None:
    """Choose the client's own dialect where it is spoken, so that the body can pass untouched."""
    if client is None or client in provider.paths:
        return client or next(iter(provider.paths))
    return next((dialect for dialect in provider.paths if translates(client, dialect)), None)


def _place(leg: Leg, resolved: Resolved) -> str:
    if resolved.combo:
        return f"model {leg.place} of {len(resolved.combo.models)} in {resolved.combo.name}"
    return f"the only provider that is known to serve {leg.model}" if resolved.kind == "bare" else "asked for by name"


def _told(client: DialectName | None, dialect: DialectName) -> str:
    return f", translated from {client} to {dialect}" if client and client != dialect else ""


def _cannot(provider: Provider, client: DialectName | None) -> str:
    article = "an" if client == "openai" else "a"
    return f"speaks {' and '.join(provider.paths)}, cannot answer {article} {client} request yet"
