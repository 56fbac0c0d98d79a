"""Who is meant by PROVIDER, and the key that opens it."""

import sys

import click

from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.routing.config import Config
from omniroute.routing.near import near


def known_provider(name: str, config: Config) -> Provider:
    """Find a provider or node; a refusal offers near names."""
    if found := find(name, config.nodes):
        return found
    like = near(name, [word for each in (*config.nodes, *PROVIDERS) for word in (each.id, each.prefix)])
    hint = f"did you mean {' or '.join(like)}?" if like else "`omniroute-ctl provider list --all` shows them"
    raise click.ClickException(f"there is no provider {name!r}: {hint}")


def on_terminal() -> bool:
    return sys.stdin.isatty()


def read_key(known: Provider, given: str | None, from_stdin: bool) -> str | None:
    """Take the key from wherever it was offered; None where none is needed, and a usage error where one is."""
    if given is not None and from_stdin:
        raise click.UsageError("--api-key and --api-key-stdin exclude each other")
    if from_stdin:
        given = sys.stdin.read()
    elif given is None and known.auth != "none" and on_terminal():
        given = click.prompt(f"API key of {known.name}", hide_input=True, err=True, default="", show_default=False)
    elif given is None:
        if known.node or known.auth == "none":
            return None
        raise click.UsageError("no key: give it with --api-key or --api-key-stdin")
    if not given.strip() and not known.node:
        raise click.UsageError("the key is empty")
    return given.strip() or None
