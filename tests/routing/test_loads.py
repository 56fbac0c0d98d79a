from hypothesis import given
from hypothesis import strategies as st

from omniroute.routing.rate_limits import FAILED, FORGIVEN, InFlight


@given(st.lists(st.sampled_from([True, False, None])))
def test_what_has_ended_weighs_nothing_but_its_failure(ends) -> None:
    loads = InFlight()
    for _ in ends:
        loads.started("a")
    assert loads.load("a", 0.0) == len(ends)
    for failed in ends:
        loads.ended("a", failed=failed, now=0.0)
    said = [failed for failed in ends if failed is not None]
    assert loads.load("a", 0.0) == (FAILED if said and said[-1] else 0.0)
    assert loads.load("b", 0.0) == 0.0


def test_a_failure_is_forgiven_with_time() -> None:
    loads = InFlight()
    loads.started("a")
    loads.ended("a", failed=True, now=100.0)
    weights = [loads.load("a", 100.0 + FORGIVEN * part) for part in (0.0, 0.5, 1.0, 9.0)]
    assert weights == [FAILED, FAILED / 2, 0.0, 0.0]


def test_an_older_answer_leaves_a_failure_where_it_is() -> None:
    loads = InFlight()
    for failed, began in ((True, 90.0), (False, 95.0)):
        loads.started("a")
        loads.ended("a", failed=failed, now=100.0, began=began)
    assert loads.load("a", 100.0) == FAILED
    loads.started("a")
    loads.ended("a", failed=False, now=110.0, began=100.0)
    assert loads.load("a", 110.0) == 0.0
