"""Days, weeks and months by the calendar of a zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.budgets.periods import PERIODS, span, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600
ZONES = sorted(available_timezones() - {"localtime"})


def at(zone: str, *parts: int) -> float:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[misc, arg-type]


@given(
    st.sampled_from(PERIODS),
    st.floats(946684800, 2524608000),
    st.sampled_from(ZONES),
)
def test_every_moment_lies_in_one_period_and_the_next_begins_where_it_ends(period, now, name) -> None:
    zone = zone_of(name)
    start, end = span(period, now, zone)
    assert start <= now < end
    assert span(period, start, zone) == (start, end)
    assert span(period, end, zone)[0] == end
    assert span(period, (start + end) / 2, zone) == (start, end)


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25), (10, 26, 24)])
def test_a_day_may_have_23_or_25_hours(month: int, day: int, hours: int) -> None:
    start, end = span("daily", at("Europe/Berlin", 2026, month, day, 12), BERLIN)
    assert end - start == hours * HOUR
    assert datetime.fromtimestamp(end, BERLIN).hour == 0


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_comes_twice_is_in_the_same_day(fold: int) -> None:
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold).timestamp()
    assert span("daily", twice, BERLIN)[0] == at("Europe/Berlin", 2026, 10, 25)


def test_where_clocks_skip_midnight_the_day_begins_when_they_do() -> None:
    # Cuba goes from 0:00 to 1:00 on 2026-03-08: the day before ends when the clock would show midnight.
    zone = ZoneInfo("America/Havana")
    start, end = span("daily", at("America/Havana", 2026, 3, 8, 12), zone)
    assert datetime.fromtimestamp(start, zone).isoformat() == "2026-03-08T01:00:00-04:00"
    assert end - start == 23 * HOUR
    assert span("daily", start - 1, zone)[1] == start


def test_a_week_begins_on_monday_and_a_month_on_its_first() -> None:
    now = datetime(2026, 11, 23, 2, tzinfo=UTC).timestamp()  # a Monday
    assert span("weekly", now, UTC) == (
        datetime(2026, 11, 23, tzinfo=UTC).timestamp(),
        datetime(2026, 11, 30, tzinfo=UTC).timestamp(),
    )
    assert span("weekly", now - 3 * HOUR, UTC)[1] == datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    december = datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp()
    assert span("monthly", december, UTC)[1] == datetime(2027, 1, 1, tzinfo=UTC).timestamp()


def test_one_moment_is_another_day_elsewhere() -> None:
    now = datetime(2026, 11, 23, 22, tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(span("daily", now, zone_of("Asia/Tokyo"))[0], ZoneInfo("Asia/Tokyo")).day == 24


@every("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "x\0y", "Europe", "é" * 500])
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        zone_of(name)


def test_the_machines_own_zone() -> None:
    start, end = span("daily", 1_700_000_000.0, zone_of("local"))
    assert start <= 1_700_000_000 < end
    assert datetime.fromtimestamp(start).hour == 0
