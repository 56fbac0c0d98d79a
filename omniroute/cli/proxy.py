"""`omniroute-ctl proxy …`: manage network proxies to providers."""

import os
import sys
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from omniroute.cli.base import Group, State
from omniroute.cli.common_options import known_provider, timeout_option
from omniroute.cli.output import note, say, show_json, table
from omniroute.cli.proxy_path import label_of, way_to
from omniroute.config.model import LEVELS, Config
from omniroute.netproxy.env_proxies import ProxyEnvironment, is_here, read_environment
from omniroute.netproxy.proxy_url import DIRECT, Proxy, read_proxy
from omniroute.routing.plan import Target, plan
from omniroute.routing.proxy_choice import ProxyChoice, choose_proxy_for
from omniroute.routing.target import lone_target
from omniroute.store.config import accounts, proxies, snapshot
from omniroute.store.db.database import Store
from omniroute.upstream.public_ip import IP_SERVICE

ORDER = "account, combo, provider, global, then the environment"


@click.group(cls=Group)
def proxy() -> None:
    """Network proxies on the way to providers."""


def _shown(found: Proxy | None) -> str:
    return found.masked if found else DIRECT


@proxy.command("set")
@click.argument("level", type=click.Choice(LEVELS), metavar="LEVEL")
@click.argument("words", nargs=-1, metavar="[ID] URL")
@click.option("--url-stdin", is_flag=True, help="Read the URL from standard input, where other programs cannot see it.")
@click.pass_obj
def set_(state: State, level: str, words: tuple[str, ...], url_stdin: bool) -> None:
    """Send what LEVEL stands for through the proxy at URL, or past every proxy with `direct`.

    LEVEL is account, combo, provider (or node) or global; ID is whose, and global has none. URL is
    http://, https://, socks5:// or socks5h://[USER:PASSWORD@]HOST[:PORT], odd characters percent-encoded.
    It acts at once.
    """
    given = [*words, sys.stdin.read().strip()] if url_stdin else list(words)
    if len(given) != (1 if level == "global" else 2):
        raise click.UsageError(f"say {'a URL alone' if level == 'global' else f'which {level}, and a URL'}")
    with state.store() as store:
        place, found = proxies.put(store, level, None if level == "global" else given[0], given[-1])
        config = snapshot.load(store)
    if state.as_json:
        show_json({"level": place[0], "id": place[1] or None, "proxy": _shown(found)})
        return
    whose = " ".join(filter(None, (level, label_of(place, config))))
    say(f"{whose} goes {'through ' + _shown(found) if found else 'directly'} from now on.")
    if level == "global" and found:
        for node in config.nodes:
            if is_here(urlsplit(node.base_url).hostname or "") and ("provider", node.id) not in config.proxies:
                unless = f"omniroute-ctl proxy set provider {node.prefix} {DIRECT}"
                say(f"So does {node.prefix}, which is on this machine, unless: {unless}")


@proxy.command()
@click.option("--model", help="Which one is used for this model, alias or combo.")
@click.option("--account", "ref", metavar="REF", help="Which one is used for this account.")
@click.pass_obj
def show(state: State, model: str | None, ref: str | None) -> None:
    """Show all that is set, and what the environment says; with an option, what counts for whom.

    The first that says anything counts: account, combo, provider, global, then the environment.
    """
    environment = read_environment(os.environ)
    with state.store() as store:
        config = snapshot.load(store)
        targets = _targets(store, config, model, ref)
    ways = [(target, way_to(target, config)) for target in targets]
    places = [(place, config.proxies[place]) for level in LEVELS for place in config.proxies if place[0] == level]
    named = _named(environment)
    if state.as_json:
        show_json(
            {
                "set": [{"level": p[0], "id": p[1] or None, "proxy": _shown(found)} for p, found in places],
                "environment": {name: found.masked for name, found in named.items()},
                "used": [
                    {"target": t.name, "account": t.account.id, "proxy": _shown(w.proxy), "from": w.origin or None}
                    for t, w in ways
                ],
            }
        )
    elif model is not None or ref is not None:
        table(
            ["target", "account", "proxy", "said by"],
            [(t.name.removesuffix("/-"), t.account.name, _shown(w.proxy), _by(w, config)) for t, w in ways],
        )
    elif not places and not named:
        say("No proxies: everything goes directly. Set one: omniroute-ctl proxy set global URL")
    else:
        rows = [(p[0], label_of(p, config) or None, _shown(found)) for p, found in places]
        table(["level", "for", "proxy"], rows + [("environment", name, found.masked) for name, found in named.items()])
        say(f"\nThe first that says anything counts: {ORDER}.")


def _targets(store: Store, config: Config, model: str | None, ref: str | None) -> list[Target]:
    account = None if ref is None else accounts.find(store, ref)
    if model is None:
        return [lone_target(account, known_provider(account.provider, config))] if account else []
    targets = plan(model, config, client=None).targets
    return [target for target in targets if account is None or target.account.id == account.id]


def _named(environment: ProxyEnvironment) -> dict[str, Proxy]:
    found = ((environment.names[0], environment.https), (environment.names[1], environment.http))
    return {name: each for name, each in found if each}


def _by(way: ProxyChoice, config: Config) -> str:
    if way.place is None:
        return way.variable or "nobody"
    return " ".join(filter(None, (way.place[0], label_of(way.place, config))))


@proxy.command()
@click.argument("level", type=click.Choice(LEVELS), metavar="LEVEL")
@click.argument("ref", required=False, metavar="[ID]")
@click.pass_obj
def clear(state: State, level: str, ref: str | None) -> None:
    """Let LEVEL say nothing about proxies any more: what is said further out counts."""
    with state.store() as store:
        place = proxies.clear(store, level, ref)
        config = snapshot.load(store)
    if state.as_json:
        show_json({"cleared": {"level": place[0], "id": place[1] or None}})
    else:
        say(f"{' '.join(filter(None, (level, label_of(place, config))))} has no proxy of its own from now on.")


@proxy.command()
@click.argument("words", nargs=-1, metavar="[LEVEL [ID] | URL]")
@click.option("--ip-service", default=IP_SERVICE, show_default=True, metavar="URL", help="Answers with our address.")
@timeout_option
@click.pass_context
def test(ctx: click.Context, words: tuple[str, ...], ip_service: str, timeout: float) -> None:
    """Call a service through a proxy: say how long that takes and which address the world sees; exit 1 on failure.

    Without LEVEL or URL it is the proxy for all, else the environment's, else none.
    """
    from omniroute.cli.probe import seen_through

    state: State = ctx.obj
    if not ip_service.startswith(("http://", "https://")):
        raise click.UsageError(f"--ip-service {ip_service!r} is no URL: it begins with http:// or https://")
    found = _meant(state, words, ip_service)
    seen = seen_through(found, ip_service, timeout)
    if state.as_json:
        show_json({"proxy": _shown(found), **asdict(seen)})
    elif seen.ok:
        say(f"{_shown(found)} works: {seen.detail} ({seen.latency_ms:.0f} ms)")
    else:
        note(f"{_shown(found)} does not work: {seen.detail} ({seen.latency_ms:.0f} ms)")
    if not seen.ok:
        ctx.exit(1)


def _meant(state: State, words: tuple[str, ...], service: str) -> Proxy | None:
    if len(words) > 2:
        raise click.UsageError("say LEVEL and ID, or a URL")
    if len(words) == 1 and words[0] not in LEVELS:
        try:
            return None if words[0] == DIRECT else read_proxy(words[0])
        except ValueError as error:
            raise click.UsageError(f"{error}; or say {', '.join(LEVELS)}") from error
    with state.store() as store:
        config, opened = snapshot.load(store), snapshot.proxies(store)
        level, ref = (*words, None, None)[:2] if words else ("global", None)
        place = proxies.place(store, str(level), ref)
    if place in config.proxies:
        return opened.get(place)
    if words:
        raise click.ClickException(f"{' '.join(words)} has no proxy of its own")
    return choose_proxy_for(service, read_environment(os.environ)).proxy
