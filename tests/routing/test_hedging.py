"""What late is, and how often it is hedged."""

from hypothesis import given
from hypothesis import strategies as st

from omniroute.routing.hedging import BURST, ENOUGH, KEPT, MOST, HedgeBudget, LatencyTracker

ME = ("account", "model", True)


@given(st.lists(st.floats(0, 1000), max_size=3 * KEPT))
def test_late_is_what_at_most_one_of_twenty_is(times: list[float]) -> None:
    paces = LatencyTracker()
    for seconds in times:
        paces.add(ME, seconds)
    late, kept = paces.threshold(ME), times[-KEPT:]
    if len(kept) < ENOUGH:
        assert late is None
    else:
        assert late in kept
        assert sum(seconds > late for seconds in kept) <= len(kept) / 20 < sum(seconds >= late for seconds in kept)


def test_each_has_its_own_measure_until_it_is_forgotten() -> None:
    paces = LatencyTracker()
    others = [("other", "model", True), ("account", "other", True), ("account", "model", False)]
    for whose in (ME, *others):
        for _ in range(ENOUGH):
            paces.add(whose, 1.0 if whose == ME else 9.0)
    assert paces.threshold(ME) == 1.0
    assert {paces.threshold(whose) for whose in others} == {9.0}
    paces.retain({"other"})
    assert paces.threshold(ME) is None
    assert paces.threshold(others[0]) == 9.0
    for n in range(MOST):
        paces.add(("account", str(n), True), 1.0)
    assert paces.threshold(others[0]) is None
    assert len(paces._times) == MOST


@given(st.sampled_from([0.0, 0.01, 0.05, 1 / 3, 1.0]), st.lists(st.booleans(), max_size=500))
def test_of_so_many_requests_no_more_than_their_share_is_hedged(share: float, lates: list[bool]) -> None:
    """In each run of requests, from whichever to whichever."""
    bound, hedged = HedgeBudget(), []
    for late in lates:
        bound.add_request(share)
        hedged.append(late and bound.try_acquire())
    for start in range(0, len(lates), 7):
        assert sum(hedged[start:]) <= share * len(lates[start:]) + BURST
    assert sum(hedged) <= share * len(lates) + 1e-6
    if share == 1:
        assert hedged == lates
