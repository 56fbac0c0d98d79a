"""What `doctor` looks at in what is set up: who may come in, where credentials go, who fails."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from urllib.parse import urlsplit

from omniroute import settings
from omniroute.catalog.urls import check_base_url, embedding_url
from omniroute.cli.checks_bounds import available_memory, check_bounds, open_files
from omniroute.cli.finding import Check
from omniroute.cli.running import Running
from omniroute.routing.affected import targets_of
from omniroute.routing.config import Account, Config
from omniroute.routing.profiles import is_local
from omniroute.routing.target import Target
from omniroute.settings import is_loopback
from omniroute.store import health, password, usage
from omniroute.store.database import Store

KNOCK = 1.0
"""Seconds that a server on this machine has to take a connection."""
SKEW = 60.0
"""Seconds by which a clock may be behind what it has said before."""


def check_setup(store: Store, config: Config, environ: Mapping[str, str], running: Running | None) -> Iterator[Check]:
    """Run every check of a store that opens."""
    said = settings.read(environ)
    yield from check_ways_in(config, said, running)
    yield from check_bounds(config.rules.server, open_files(), available_memory())
    yield check_password(store, said)
    yield check_accounts(config)
    yield from check_combos(config)
    yield from check_similar(config)
    yield from check_credentials(store, config)
    yield from check_addresses(config, running.port if running else said.port)
    yield from check_clock(store, running)


def check_ways_in(config: Config, said: settings.Settings, running: Running | None) -> Iterator[Check]:
    """Who could use the gateway without being meant to."""
    host = running.host if running else said.host
    keyed = said.require_api_key
    proxied = bool(config.rules.trusted_proxies) or bool(said.base_url and not _is_here(said.base_url))
    if not is_loopback(host) and not config.keys:
        yield Check("warn", "keys", f"it listens on {host}, where each client needs a key, and there is none",
                    "omniroute-ctl key create NAME")  # fmt: skip
    elif proxied and not keyed:
        yield Check(
            "warn",
            "keys",
            "none is needed on this machine, and behind a proxy that sends no X-Forwarded-For everybody looks like it",
            "set REQUIRE_API_KEY=true",
        )
    elif any(key.scopes == ("inference", "admin") for key in config.keys):
        yield Check("warn", "keys", "a key may both ask models and administer: whoever has it, has everything",
                    "give it one scope: omniroute-ctl key edit REF --scope inference")  # fmt: skip
    else:
        yield Check("ok", "keys", f"valid: {len(config.keys)}")
    if not said.require_login:
        yield Check("warn", "log-in", "whoever is on this machine manages the gateway without a log-in",
                    "unset OMNIROUTE_REQUIRE_LOGIN")  # fmt: skip


def _is_here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def check_password(store: Store, said: settings.Settings) -> Check:
    if password.is_set(store):
        return Check("ok", "password", "set")
    return Check("ok", "password", "none yet: one is made at the first start; `omniroute-ctl password set` sets yours")


def check_accounts(config: Config) -> Check:
    usable = [account for account in config.accounts if account.enabled]
    if usable or config.nodes:
        return Check("ok", "accounts", f"enabled: {len(usable)}, nodes: {len(config.nodes)}")
    if config.accounts:
        return Check("warn", "accounts", "all are disabled", "omniroute-ctl provider enable REF")
    return Check("warn", "accounts", "none yet", "omniroute-ctl provider add PROVIDER")


def check_combos(config: Config) -> Iterator[Check]:
    useless = [name for name in config.combos if not targets_of(name, config)]
    for name in useless:
        yield Check("warn", "combo", f"{name!r} has no target that can be asked", f"omniroute-ctl combo show {name}")
    if config.combos and not useless:
        yield Check("ok", "combos", f"all can be served: {len(config.combos)}")


def check_similar(config: Config) -> Iterator[Check]:
    """Whether the model that similar requests are found by can be asked: else they are asked as ever, in silence."""
    name = config.rules.cache.similar
    if name and not any(map(_embeds, targets_of(name, config))):
        yield Check("warn", "cache.similar", f"nobody embeds texts by the name {name!r}",
                    f"omniroute-ctl route explain {name}")  # fmt: skip


def _embeds(target: Target) -> bool:
    dialect = "openai" if "openai" in target.provider.paths else target.dialect  # as it is asked, too
    return embedding_url(target.provider, dialect, base_url=target.account.base_url, model=target.model) is not None


def check_credentials(store: Store, config: Config) -> Iterator[Check]:
    """Whose credential its provider has refused, as far as the gateway has seen."""
    now = store.clock()
    refused = {
        whose
        for (scope, whose, _), cooling in health.read(store).cooling.items()
        if scope == "account" and cooling.cause == "auth" and cooling.until > now
    }
    for account in config.accounts:
        if account.id in refused:
            yield Check("warn", "credential", f"{_name(account)} is refused by its provider",
                        f"omniroute-ctl provider test {account.id}")  # fmt: skip


def check_addresses(config: Config, port: int) -> Iterator[Check]:
    """Where accounts and nodes lead: not in the clear over a network, not to nobody, not in a circle."""
    places = [(f"the account {_name(a)}", a.base_url) for a in config.accounts if a.base_url and a.enabled]
    places += [(f"the node {node.prefix!r}", node.base_url) for node in config.nodes]
    for name, url in places:
        try:
            parts = urlsplit(check_base_url(url))
            host, to = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            yield Check("fail", "base URL", f"{name} leads to {url!r}: {error}", "remove it and add it anew")
            continue
        if is_loopback(host) and to == port:
            yield Check("fail", "base URL", f"{name} leads to this gateway itself", "give it the upstream's own URL")
        elif parts.scheme == "http" and not is_local(url):
            yield Check("warn", "base URL", f"{name} sends its credential in the clear to {host}", "use https")
        elif is_loopback(host) and not _listens(host, to):
            yield Check("warn", "base URL", f"{name} leads to {host}:{to}, where nobody listens", "start that server")


def check_clock(store: Store, running: Running | None) -> Iterator[Check]:
    """A clock that was set back lets cool-downs, sessions and limits last too long."""
    latest = max([row.at for row in usage.recent(store, 1)] + [(running and running.started_at) or 0.0])
    if (ahead := latest - store.clock()) > SKEW:
        yield Check("warn", "clock", f"it is {ahead:,.0f} s behind what it said before", "set the machine's clock")


def _listens(host: str, port: int) -> bool:
    try:
        with closing(socket.create_connection((host, port), KNOCK)):
            return True
    except OSError:
        return False


def _name(account: Account) -> str:
    return f"{account.name!r} of {account.provider} ({account.id})"
