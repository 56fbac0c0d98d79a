"""Parsers of durations and future times in options."""

import re
import time
from datetime import datetime

import click

SPAN = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
FAR = 100 * 366 * 86400


def span(value: str) -> float:
    """Parse an option: a duration such as 30m, into seconds. Raises BadParameter."""
    if (found := SPAN.fullmatch(value)) is None:
        raise click.BadParameter(f"{value!r} is no length of time such as 90s, 30m, 12h, 7d or 4w")
    return float(found[1]) * UNITS[found[2]]


def later_or_never(value: str) -> float:
    """Parse an option: a future time, as a duration from now, a date in local time, or `never` for 0.

    Return seconds of the epoch. Raises BadParameter for other text and for times in the past.
    """
    if value == "never":
        return 0.0
    now = time.time()
    try:
        at = now + span(value) if SPAN.fullmatch(value) else datetime.fromisoformat(value).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise click.BadParameter(
            f"{value!r} is neither a time such as 12h, 30d or 4w nor a date such as 2030-01-31, nor never"
        ) from error
    if not now < at <= now + FAR:
        raise click.BadParameter(f"{value!r} lies {'in the past' if at <= now else 'too far in the future'}")
    return at
