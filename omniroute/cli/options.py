"""Options that several commands read in the same way."""

import click

from omniroute.catalog.provider import DialectName
from omniroute.catalog.urls import check_base_url

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
