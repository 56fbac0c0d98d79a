"""Options that several commands read in the same way."""

import sys

import click

from omniroute.catalog.endpoints import check_base_url
from omniroute.catalog.provider import DialectName, Provider
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.config.model import Config
from omniroute.routing.suggestions import close_matches

DIALECTS: dict[str, DialectName] = {
    "openai": "openai",
    "responses": "responses",
    "claude": "claude",
    "gemini": "gemini",
    "openai-chat": "openai",
    "openai-responses": "responses",
    "anthropic": "claude",
}


def dialect(value: str) -> DialectName:
    """Read an option: a dialect, by its name or by a name that other tools give it."""
    if value.lower() not in DIALECTS:
        raise click.BadParameter(f"there is no dialect {value!r}: say openai, responses, claude or gemini")
    return DIALECTS[value.lower()]


def base_url(value: str) -> str:
    """Read an option: a URL that paths can be put behind."""
    try:
        return check_base_url(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=10.0,
    show_default=True,
    help="Seconds that a provider has for its answer.",
)


def known_provider(name: str, config: Config) -> Provider:
    """Find a provider or node; a refusal offers near names."""
    if found := find(name, config.nodes):
        return found
    like = close_matches(name, [word for each in (*config.nodes, *PROVIDERS) for word in (each.id, each.prefix)])
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
