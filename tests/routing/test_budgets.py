"""The ledger: money is neither lost nor made, whatever ends in whatever order."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.budgets.ledger import MIN_SAMPLES, PARTS, Budget, Ledger, OutputLengthEstimator, Reservation
from omniroute.budgets.periods import PERIODS, Period, span

NOW = 1_795_400_000.0
DAY = 86400.0
money = st.integers(0, 10**6).map(lambda millionths: millionths / 10**6)


def daily(limit: float) -> tuple[Budget, ...]:
    return (Budget("k", "daily", limit),)


def spent(ledger: Ledger, period: Period, now: float, key: str = "k") -> float:
    return ledger.status([Budget(key, period, 1.0)], now)[0].spent


@given(st.data())
def test_in_any_order_nothing_is_lost_and_nothing_is_made(data: st.DataObject) -> None:
    ledger, waiting = Ledger(UTC), list[tuple[Reservation, float]]()
    known: list[tuple[str, float, int]] = []
    now = NOW
    for _ in range(data.draw(st.integers(1, 30))):
        now += data.draw(st.sampled_from([0.0, 1.0, DAY / 3, DAY / 2]))
        match data.draw(st.sampled_from(["hold", "hold", "settle", "release", "spend", "again"])):
            case "hold":
                cost = data.draw(money)
                waiting.append((ledger.reserve(data.draw(st.sampled_from("kx")), cost, now), cost))
            case "settle" if waiting:
                hold, _ = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
                cost = data.draw(money)
                assert ledger.settle(hold, cost)
                known.append((hold.key, hold.at, round(cost * PARTS)))
                assert not ledger.settle(hold, cost), "once"
                assert not ledger.release(hold)
            case "release" if waiting:
                hold, _ = waiting.pop()
                assert ledger.release(hold)
                assert not ledger.settle(hold, 1.0)
            case "spend":
                cost, key = data.draw(money), data.draw(st.sampled_from("kx"))
                ledger.spend(key, cost, now)
                known.append((key, now, round(cost * PARTS)))
        for key in "kx":
            for period in PERIODS:
                start, end = span(period, now, UTC)
                [stands] = ledger.status([Budget(key, period, 1.0)], now)
                assert stands.resets_at == end
                here = sum(parts for of, at, parts in known if of == key and start <= at < end)
                held = sum(round(c * PARTS) for hold, c in waiting if hold.key == key and start <= hold.at < end)
                assert round(stands.spent * PARTS) == here
                assert round(stands.reserved * PARTS) == held


@given(st.floats(0.01, 10), st.lists(st.tuples(money, st.floats(0, 2)), min_size=1, max_size=60))
def test_requests_at_once_never_pass_the_limit_by_more_than_the_estimates_were_wrong(limit, requests) -> None:
    ledger, running, wrong = Ledger(UTC), list[tuple[Reservation, float]](), 0.0
    for cost, factor in requests:
        if ledger.refusal(daily(limit), cost, NOW) is None:
            running.append((ledger.reserve("k", cost, NOW), cost * factor))
            wrong += max(0.0, cost * factor - cost)
    for hold, real in running:
        ledger.settle(hold, real)
    assert spent(ledger, "daily", NOW) <= limit + wrong + 1e-9


def test_what_does_not_fit_is_refused_and_what_is_given_back_fits_again() -> None:
    ledger = Ledger(UTC)
    first = ledger.reserve("k", 0.6, NOW)
    assert ledger.refusal(daily(1.0), 0.4, NOW) is None
    stands = ledger.refusal(daily(1.0), 0.5, NOW)
    assert stands
    assert (stands.spent, stands.reserved) == (0.0, 0.6)
    ledger.release(first)
    assert ledger.refusal(daily(1.0), 0.5, NOW) is None
    ledger.spend("k", 1.0, NOW)
    assert ledger.refusal(daily(1.0), 0.0, NOW), "all is spent: nothing fits, not even what costs nothing"
    assert ledger.refusal((Budget("other", "daily", 1.0),), 0.5, NOW) is None
    assert ledger.refusal(daily(2.0), 0.5, NOW) is None, "a budget that is edited acts at once"


def test_of_several_budgets_the_one_that_lasts_longest_is_told() -> None:
    ledger, both = Ledger(UTC), (*daily(1.0), Budget("k", "monthly", 1.5))
    ledger.spend("k", 1.4, NOW)
    stands = ledger.refusal(both, 0.2, NOW)
    assert stands
    assert stands.budget.period == "monthly"
    later = ledger.refusal(both, 0.05, NOW)
    assert later
    assert later.budget.period == "daily"


def test_it_begins_anew_and_what_began_before_counts_there() -> None:
    ledger = Ledger(UTC)
    ledger.spend("k", 1.0, NOW)
    late = ledger.reserve("k", 0.5, NOW)
    tomorrow = span("daily", NOW, UTC)[1]
    assert ledger.refusal(daily(1.0), 1.0, tomorrow - 1)
    assert ledger.refusal(daily(1.0), 1.0, tomorrow) is None
    ledger.settle(late, 0.5)
    assert spent(ledger, "daily", tomorrow) == 0.0
    assert spent(ledger, "daily", tomorrow - 1) == 1.5


def test_a_clock_that_goes_back_finds_what_was_spent_there() -> None:
    ledger = Ledger(UTC)
    ledger.spend("k", 0.7, NOW)
    tomorrow = span("daily", NOW, UTC)[1] + 5
    ledger.spend("k", 0.1, tomorrow)
    assert spent(ledger, "daily", NOW) == 0.7
    assert spent(ledger, "daily", tomorrow) == 0.1
    assert spent(ledger, "monthly", tomorrow) == pytest.approx(0.8)


def test_old_periods_are_forgotten_but_not_what_runs_in_them() -> None:
    ledger = Ledger(UTC)
    hold = ledger.reserve("k", 0.5, NOW)
    for day in range(100):
        ledger.spend("k", 1.0, NOW + day * DAY)
    assert len(ledger._sums) < 12
    assert ledger.settle(hold, 0.25)
    assert all(total.held == 0 for total in ledger._sums.values())


@given(st.lists(money, max_size=8), st.lists(money, max_size=8), st.lists(money, max_size=4))
def test_reading_the_history_meanwhile_counts_everything_once(before, meanwhile, running) -> None:
    ledger = Ledger(UTC)
    for cost in before:
        ledger.spend("k", cost, NOW)
    holds = [ledger.reserve("k", cost, NOW) for cost in running]
    ledger.begin_reading()
    for cost in meanwhile:
        ledger.spend("k", cost, NOW)
    ledger.read({("k", period): sum(before) for period in PERIODS}, ZoneInfo("Asia/Tokyo"), NOW)
    for period in PERIODS:
        [stands] = ledger.status([Budget("k", period, 1.0)], NOW)
        assert stands.spent == pytest.approx(sum(before) + sum(meanwhile))
        assert stands.reserved == pytest.approx(sum(running))
        assert stands.resets_at == span(period, NOW, ZoneInfo("Asia/Tokyo"))[1]
    for hold in holds:
        ledger.settle(hold, 0.0)
    assert ledger.status(daily(1.0), NOW)[0].reserved == 0.0


@given(st.lists(st.integers(0, 100_000), min_size=MIN_SAMPLES, max_size=50))
def test_answers_that_were_long_are_expected_to_be_long(answers) -> None:
    lengths = OutputLengthEstimator()
    for count, tokens in enumerate(answers):
        assert (lengths.upper_bound(("k", "m")) is None) == (count < MIN_SAMPLES)
        lengths.learn(("k", "m"), tokens)
    longest = lengths.upper_bound(("k", "m"))
    assert longest is not None
    assert min(answers) <= longest
    if len(set(answers)) == 1:
        assert longest == answers[0] + 1
    assert lengths.upper_bound(("k", "other")) is None
