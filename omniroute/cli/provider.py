"""`omniroute-ctl provider …`: manage accounts at providers."""

from dataclasses import asdict

import click

from omniroute.catalog.providers import PROVIDERS, find
from omniroute.cli.base import Group, State
from omniroute.cli.common_options import base_url, known_provider, read_key, timeout_option
from omniroute.cli.health_text import tell_combos
from omniroute.cli.output import fields, iso, local, mask, say, show_json, table
from omniroute.cli.proxy_path import proxy_for
from omniroute.config.model import Account, Config
from omniroute.routing.combo_impact import combos_using
from omniroute.routing.model_index import ModelIndex
from omniroute.routing.target import lone_target
from omniroute.store.config import accounts, settings, snapshot
from omniroute.store.db.database import Store
from omniroute.store.state import strategy_state


@click.group(cls=Group)
def provider() -> None:
    """Accounts at providers."""


def as_json(account: Account, api_key: str | None) -> dict[str, object]:
    return {
        "id": account.id,
        "provider": account.provider,
        "name": account.name,
        "priority": account.priority,
        "enabled": account.enabled,
        "base_url": account.base_url,
        "key": mask(api_key),
        "created_at": iso(account.created_at),
    }


@provider.command("list")
@click.option("--all", "everything", is_flag=True, help="Every provider that can be added, too.")
@click.pass_obj
def list_(state: State, everything: bool) -> None:
    """List the accounts, in the order in which they are asked."""
    with state.store() as store:
        config, credentials, used = snapshot.load(store), snapshot.credentials(store), strategy_state.last_used(store)
    if everything:
        _list_all(state, config)
        return
    if state.as_json:
        show_json(
            [
                as_json(each, credentials.get(each.id)) | {"last_used_at": iso(used.get(each.id))}
                for each in config.accounts
            ]
        )
        return
    blocked = config.rules.blocked
    if not config.accounts:
        say("No accounts yet. Add one: omniroute-ctl provider add PROVIDER")
        say("Every provider that can be added: omniroute-ctl provider list --all")
    else:
        table(
            ["id", "provider", "name", "priority", "enabled", "key", "last used", "base URL"],
            [
                (
                    *(a.id, a.provider, a.name, a.priority, "blocked" if a.provider in blocked else a.enabled),
                    *(mask(credentials.get(a.id)), local(used.get(a.id)), a.base_url),
                )
                for a in config.accounts
            ],
        )


def _list_all(state: State, config: Config) -> None:
    rows: list[dict[str, object]] = [
        {
            "id": known.id,
            "prefix": known.prefix,
            "name": known.name,
            "dialects": list(known.paths),
            "base_url": known.base_url,
            "node": known.node,
            "blocked": known.id in config.rules.blocked,
            "accounts": sum(account.provider == known.id for account in config.accounts),
        }
        for known in (*config.nodes, *PROVIDERS)
    ]
    if state.as_json:
        show_json(rows)
    else:
        table([header.replace("_url", " URL") for header in rows[0]], [list(row.values()) for row in rows])


@provider.command()
@click.argument("provider")
@click.option("--api-key", metavar="KEY", help="The provider's key; other programs can see it while this runs.")
@click.option("--api-key-stdin", is_flag=True, help="Read the key from standard input.")
@click.option("--name", help="What to call the account.")
@click.option(
    "--priority", type=click.IntRange(1, 100), default=1, show_default=True, help="The lowest is asked first."
)
@click.option("--base-url", type=base_url, metavar="URL", help="Stands for the provider's own.")
@click.pass_obj
def add(
    state: State,
    provider: str,
    api_key: str | None,
    api_key_stdin: bool,
    name: str | None,
    priority: int,
    base_url: str | None,
) -> None:
    """Add an account at a provider.

    PROVIDER is its id or prefix, or a node's prefix: `omniroute-ctl provider list --all` shows them.
    """
    with state.store() as store:
        known = known_provider(provider, snapshot.load(store))
        key = read_key(known, api_key, api_key_stdin)
        added = accounts.add(store, known.id, api_key=key, name=name, priority=priority, base_url=base_url)
    if state.as_json:
        show_json(as_json(added, key))
        return
    say(f"Added the {known.name} account {added.name!r} ({added.id}).")
    say(f"See whether it works: omniroute-ctl provider test {added.id}")


@provider.command()
@click.argument("ref")
@click.pass_obj
def show(state: State, ref: str) -> None:
    """Show one account.

    REF is its id, the beginning of it, its name, or its provider where that has no other account.
    """
    with state.store() as store:
        account = accounts.find(store, ref)
        config, api_key = snapshot.load(store), snapshot.credentials(store).get(account.id)
        used = strategy_state.last_used(store).get(account.id)
    known = find(account.provider, config.nodes)
    if state.as_json:
        served_at = account.base_url or (known and known.base_url)
        show_json(as_json(account, api_key) | {"last_used_at": iso(used), "served_at": served_at})
        return
    fields(
        [
            ("id", account.id),
            ("provider", f"{known.name} ({known.prefix})" if known else account.provider),
            ("name", account.name),
            ("priority", account.priority),
            ("enabled", account.enabled),
            *([("blocked", True)] if account.provider in config.rules.blocked else []),
            ("key", mask(api_key)),
            ("base URL", account.base_url or (known and known.base_url)),
            ("models", [f"{known.prefix}/{model.id}" for model in known.models] if known else None),
            ("added", local(account.created_at)),
            ("last used", local(used) or "never"),
        ]
    )


@provider.command()
@click.argument("ref")
@click.option("--model", help="Ask this model a tiny question, instead of reading the list of models.")
@timeout_option
@click.pass_context
def test(ctx: click.Context, ref: str, model: str | None, timeout: float) -> None:
    """See whether an account works; exit 1 when it does not."""
    from omniroute.cli.probe import test_account

    state: State = ctx.obj
    with state.store() as store:
        account = _account_or_node(store, ref)
        config, credentials, opened = snapshot.load(store), snapshot.credentials(store), snapshot.proxies(store)
    known = known_provider(account.provider, config)
    proxy = proxy_for(lone_target(account, known), config, opened)
    if model is not None:
        model = model.removeprefix(f"{known.prefix}/").removeprefix(f"{known.id}/")
    result = test_account(account, known, credentials.get(account.id), model, timeout, proxy)
    if state.as_json:
        show_json({"account": account.id, "provider": account.provider} | asdict(result))
    else:
        verdict = "works" if result.ok else "does not work"
        say(f"{known.name} account {account.name!r} {verdict}: {result.detail} ({result.latency_ms:.0f} ms)")
    if not result.ok:
        ctx.exit(1)


def _account_or_node(store: Store, ref: str) -> Account:
    """Find an account by reference, or the only account of a node, which may be its implied one without a key."""
    config = snapshot.load(store)
    at_node = [each for node in config.nodes if node.prefix == ref for each in ModelIndex.of(config).accounts(node)]
    return at_node[0] if len(at_node) == 1 else accounts.find(store, ref)


@provider.command("set-key")
@click.argument("ref")
@click.option("--api-key", metavar="KEY", help="The provider's key; other programs can see it while this runs.")
@click.option("--api-key-stdin", is_flag=True, help="Read the key from standard input.")
@click.pass_obj
def set_key(state: State, ref: str, api_key: str | None, api_key_stdin: bool) -> None:
    """Give an account another key, and enable it."""
    with state.store() as store:
        account = accounts.find(store, ref)
        key = read_key(known_provider(account.provider, snapshot.load(store)), api_key, api_key_stdin)
        changed = accounts.set_key(store, account.id, key)
    if state.as_json:
        show_json(as_json(changed, key))
        return
    say(f"The {changed.provider} account {changed.name!r} ({changed.id}) has another key from now on.")


def _switch(state: State, ref: str, enabled: bool) -> None:
    with state.store() as store:
        account = accounts.find(store, ref)
        before = snapshot.load(store)
        accounts.set_enabled(store, account.id, enabled)
        after, api_key = snapshot.load(store), snapshot.credentials(store).get(account.id)
    affected = [] if enabled else combos_using(before, lambda used: used.id == account.id)
    if state.as_json:
        show_json(as_json(next(a for a in after.accounts if a.id == account.id), api_key) | {"combos": affected})
        return
    say(f"The {account.provider} account {account.name!r} is {'enabled' if enabled else 'disabled'}.")
    tell_combos(affected, after)


@provider.command()
@click.argument("ref")
@click.pass_obj
def enable(state: State, ref: str) -> None:
    """Let an account be asked again."""
    _switch(state, ref, True)


@provider.command()
@click.argument("ref")
@click.pass_obj
def disable(state: State, ref: str) -> None:
    """Keep an account, but ask it no more."""
    _switch(state, ref, False)


@provider.command()
@click.argument("ref")
@click.pass_obj
def remove(state: State, ref: str) -> None:
    """Remove an account and its key for good."""
    with state.store() as store:
        account = accounts.find(store, ref)
        affected = combos_using(snapshot.load(store), lambda used: used.id == account.id)
        accounts.remove(store, account.id)
        config = snapshot.load(store)
    if state.as_json:
        show_json({"removed": account.id, "combos": affected})
        return
    say(f"Removed the {account.provider} account {account.name!r} ({account.id}).")
    tell_combos(affected, config)


def _block(state: State, name: str, blocked: bool) -> None:
    with state.store() as store:
        before = snapshot.load(store)
        owner = settings.block(store, name) if blocked else settings.unblock(store, name)
        after = snapshot.load(store)
    affected = combos_using(before, lambda used: used.provider == owner) if blocked else []
    if state.as_json:
        show_json({"provider": owner, "blocked": blocked, "combos": affected})
        return
    say(f"{owner} is blocked: it is in no list, and nobody may ask it." if blocked else f"{owner} may be asked again.")
    tell_combos(affected, after)


@provider.command()
@click.argument("name", metavar="PROVIDER")
@click.pass_obj
def block(state: State, name: str) -> None:
    """Hide a provider from the lists and ask it no more, whatever its accounts."""
    _block(state, name, True)


@provider.command()
@click.argument("name", metavar="PROVIDER")
@click.pass_obj
def unblock(state: State, name: str) -> None:
    """Let a blocked provider be asked again."""
    _block(state, name, False)
