"""The sum of all request bodies under way."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import GatewayError, TooLarge
from omniroute.gateway.body_budget import BodyBudget


class Owner:
    """Stands for a flow."""


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 150)), max_size=40))
def test_the_sum_never_exceeds_the_bound_and_is_returned(steps: list[tuple[int, int]]) -> None:
    budget = BodyBudget(lambda: 200)
    owners = [Owner() for _ in range(4)]
    for who, size in steps:
        account = budget.account(owners[who])
        before = budget.used
        if size <= account.size or before - account.size + size <= 200:
            account.resize(size)
        else:
            with pytest.raises(GatewayError, match=r"server\.body_total") as refused:
                account.resize(size)
            assert (refused.value.status, budget.used) == (503, before)
            assert refused.value.retry_after
        assert 0 <= budget.used <= 200
        assert budget.used == sum(budget.account(owner).size for owner in owners)
    for owner in owners:
        budget.close(owner)
        budget.close(owner)
    assert budget.used == 0


def test_an_owner_that_is_collected_returns_its_bytes() -> None:
    budget = BodyBudget(lambda: 200)
    owner = Owner()
    budget.account(owner).resize(200)
    del owner
    gc.collect()
    assert budget.used == 0


def test_a_body_that_can_never_fit_is_too_large() -> None:
    budget = BodyBudget(lambda: 200)
    with pytest.raises(TooLarge, match=r"200 bytes \(setting server.body_total\)"):
        budget.account(Owner()).resize(201)
    with pytest.raises(TooLarge):
        budget.check(201)


def test_a_declared_length_is_refused_before_it_arrives() -> None:
    budget = BodyBudget(lambda: 200)
    owner = Owner()
    budget.account(owner).resize(150)
    budget.check(50)
    with pytest.raises(GatewayError) as refused:
        budget.check(51)
    assert refused.value.status == 503
    assert budget.used == 150


def test_a_change_of_the_bound_acts_at_once() -> None:
    limit = 100
    budget = BodyBudget(lambda: limit)
    owner = Owner()
    budget.account(owner).resize(100)
    limit = 50
    budget.account(owner).resize(80)
    with pytest.raises(GatewayError):
        budget.account(owner).resize(90)
