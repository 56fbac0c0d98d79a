"""Days, weeks and months as a calendar on the wall has them: a day may have 23 hours, or 25."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from math import floor
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

type Period = Literal["daily", "weekly", "monthly"]

PERIODS: tuple[Period, ...] = get_args(Period.__value__)
LOCAL = "local"
"""The name of the machine's own zone."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo | None:
    """Find a zone by its IANA name; None is the machine's own. ValueError for what is no zone."""
    if name == LOCAL:
        return None
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:  # it looks for a file of that name
        raise ValueError("is no time zone") from error


def read_zone(text: str) -> str:
    """Take a zone by its name; ValueError says what it takes."""
    try:
        zone_of(text)
    except ValueError:
        raise ValueError(f"takes {LOCAL} or a time zone such as UTC or Europe/Berlin") from None
    return text


def span(period: Period, now: float, zone: tzinfo | None) -> tuple[float, float]:
    """Give when the period that `now` lies in begins and ends, as seconds of the epoch."""
    today = datetime.fromtimestamp(floor(now), zone).date()  # it rounds, and may so reach the day after
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
    """Give a day's first moment: where clocks skip midnight, the moment at which they do."""
    return datetime.combine(day, time(), zone).timestamp()
