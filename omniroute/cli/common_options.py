"""Options shared by several commands."""

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
    """Parse an option: a dialect, by its name or by a name used in other tools. Raises BadParameter."""
    if value.lower() not in DIALECTS:
        raise click.BadParameter(f"there is no dialect {value!r}: say openai, responses, claude or gemini")
    return DIALECTS[value.lower()]


def base_url(value: str) -> str:
    """Parse an option: a base URL to which paths can be appended. Raises BadParameter."""
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
    """Find a provider or node by id or prefix. Raises ClickException with similar names if there is none."""
    if found := find(name, config.nodes):
        return found
    like = close_matches(name, [word for each in (*config.nodes, *PROVIDERS) for word in (each.id, each.prefix)])
    hint = f"did you mean {' or '.join(like)}?" if like else "`omniroute-ctl provider list --all` shows them"
    raise click.ClickException(f"there is no provider {name!r}: {hint}")


def on_terminal() -> bool:
    return sys.stdin.isatty()


def read_key(known: Provider, given: str | None, from_stdin: bool) -> str | None:
    """Read a provider's key from the option, stdin or a prompt.

    Return None if none is given and none is needed. Raises UsageError for a missing or empty key that is needed.
    """
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
