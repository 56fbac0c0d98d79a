"""Calendar days, weeks and months in a time zone; a day may have 23 or 25 hours."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from math import floor
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

type Period = Literal["daily", "weekly", "monthly"]

PERIODS: tuple[Period, ...] = get_args(Period.__value__)
LOCAL = "local"
"""The name for the machine's own time zone."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo | None:
    """Return a time zone by its IANA name; None for the machine's own. Raises ValueError for an unknown name."""
    if name == LOCAL:
        return None
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:  # ZoneInfo opens a file of that name
        raise ValueError("is no time zone") from error


def read_zone(text: str) -> str:
    """Validate the name of a time zone. Raises ValueError that says what is accepted."""
    try:
        zone_of(text)
    except ValueError:
        raise ValueError(f"takes {LOCAL} or a time zone such as UTC or Europe/Berlin") from None
    return text


def span(period: Period, now: float, zone: tzinfo | None) -> tuple[float, float]:
    """Return start and end of the period that contains `now`, in seconds of the epoch."""
    today = datetime.fromtimestamp(floor(now), zone).date()  # fromtimestamp rounds, possibly up to the next day
    first, after = _days(period, today)
    start, end = _midnight(first, zone), _midnight(after, zone)
    return start, end


def _days(period: Period, today: date) -> tuple[date, date]:
    match period:
        case "daily":
            return today, today + timedelta(days=1)
        case "weekly":
            monday = today - timedelta(days=today.weekday())
            return monday, monday + timedelta(days=7)
        case "monthly":
            first = today.replace(day=1)
            return first, (first + timedelta(days=32)).replace(day=1)


def _midnight(day: date, zone: tzinfo | None) -> float:
    """Return the first moment of a day; where a clock change skips midnight, the moment of the change."""
    return datetime.combine(day, time(), zone).timestamp()
