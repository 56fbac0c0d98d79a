"""Strategies as laws: permutations, exact sequences, and distributions that would betray a skewed draw."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.model import Account
from omniroute.config.settings import ACCOUNT_STRATEGIES, COMBO_STRATEGIES
from omniroute.routing.strategies import ACCOUNT, COMBO, ComboOption, RoutingState, shuffled
from omniroute.routing.strategy_state import StrategyState

PLANS = 10_000
CHI_SQUARED = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 23: 49.73}
"""Degrees of freedom -> what a fair draw exceeds once in a thousand times; the dice are seeded, so no test flickers."""


def accounts(count: int) -> list[Account]:
    return [Account(f"a{n}", "p", f"a{n}", priority=n) for n in range(count)]


def ids(order) -> list[str]:
    return [account.id for account in order]


def fair(counts: Counter, shares: dict) -> None:
    total = sum(shares.values())
    expected = {thing: PLANS * share / total for thing, share in shares.items() if share}
    assert set(counts) <= set(expected)
    chi = sum((counts[thing] - much) ** 2 / much for thing, much in expected.items())
    assert chi < CHI_SQUARED[len(expected) - 1], counts


def calls(strategy: str, count: int, number: int, sticky: int = 3) -> str:
    """Ask the first of each order, `number` times."""
    turns, asked = StrategyState(), []
    for _ in range(number):
        first = ACCOUNT[strategy](accounts(count), RoutingState(turns), lambda: 0.5, sticky)[0]
        turns.record_call("p", first.id, 0.0)
        asked.append(first.id[1:])
    return "".join(asked)


def test_every_rule_has_its_strategy() -> None:
    assert tuple(ACCOUNT) == ACCOUNT_STRATEGIES
    assert tuple(COMBO) == COMBO_STRATEGIES


@pytest.mark.parametrize("strategy", ACCOUNT_STRATEGIES)
@given(st.integers(0, 6), st.integers(0, 2**32), st.lists(st.integers(0, 5)), st.integers(0, 4))
def test_account_orders_are_permutations_and_equal_state_gives_equal_orders(
    strategy, count, seed, history, sticky
) -> None:
    turns = StrategyState()
    for number in history:
        turns.record_call("p", f"a{number}", 0.0)
    seen = RoutingState(turns, lambda account: len(account) + turns.serial(account) % 3)
    given_ = accounts(count)
    order = ACCOUNT[strategy](given_, seen, Random(seed).random, sticky)
    assert sorted(ids(order)) == ids(given_)
    assert order == ACCOUNT[strategy](given_, seen, Random(seed).random, sticky)


@pytest.mark.parametrize("strategy", COMBO_STRATEGIES)
@given(
    st.lists(st.tuples(st.floats(0, 9), st.integers(0, 9), st.none() | st.floats(0, 9))),
    st.integers(0, 99),
    st.integers(0),
)
def test_combo_orders_are_permutations(strategy, facts, turn, seed) -> None:
    choices = [ComboOption(str(n), *fact) for n, fact in enumerate(facts)]
    order = COMBO[strategy](choices, turn, Random(seed).random)
    assert sorted(order, key=lambda choice: int(choice.name)) == choices


@pytest.mark.parametrize(
    ("count", "sequence"),
    [(1, "000000000"), (2, "000111000111"), (3, "000111222000111"), (5, "000111222333444000111")],
)
def test_round_robin_stays_three_times_and_goes_on(count, sequence) -> None:
    assert calls("round-robin", count, len(sequence)) == sequence


@pytest.mark.parametrize(("sticky", "sequence"), [(0, "012012"), (1, "012012"), (2, "001122001122")])
def test_the_sticky_limit_is_a_number_of_calls(sticky, sequence) -> None:
    assert calls("round-robin", 3, len(sequence), sticky) == sequence


def test_round_robin_goes_to_who_waits_longest_when_its_account_is_gone() -> None:
    turns = StrategyState()
    for account in ("a2", "a0", "a1"):
        turns.record_call("p", account, 0.0)
    left = [account for account in accounts(3) if account.id != "a1"]
    assert ids(ACCOUNT["round-robin"](left, RoutingState(turns), lambda: 0.0, 3)) == ["a2", "a0"]


def test_least_used_begins_by_priority_and_then_takes_turns() -> None:
    assert calls("least-used", 4, 9) == "012301230"


@given(st.lists(st.integers(0, 4), max_size=30))
def test_least_used_is_the_order_of_the_last_calls(history) -> None:
    turns = StrategyState()
    for number in history:
        turns.record_call("p", f"a{number}", 0.0)
    order = ids(ACCOUNT["least-used"](accounts(5), RoutingState(turns), lambda: 0.0, 3))
    last = {f"a{number}": place for place, number in enumerate(history)}
    assert order == sorted(order, key=lambda account: (last.get(account, -1), account))


@pytest.mark.parametrize("strategy", ["fill-first", "cost-optimized"])
def test_fill_first_never_leaves_its_first(strategy) -> None:
    assert calls(strategy, 3, 5) == "00000"


def test_random_gives_every_order_equally_often() -> None:
    dice = Random(7).random
    counts = Counter(
        "".join(ids(ACCOUNT["random"](accounts(4), RoutingState(StrategyState()), dice, 3))) for _ in range(PLANS)
    )
    fair(counts, dict.fromkeys(counts, 1))
    assert len(counts) == 24


def test_shuffled_leaves_what_it_was_given() -> None:
    things = (1, 2, 3)
    assert sorted(shuffled(things, lambda: 0.999)) == [1, 2, 3]
    assert things == (1, 2, 3)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_p2c_spreads_evenly_while_all_stand_alike(count) -> None:
    dice = Random(3).random
    firsts = Counter(
        ACCOUNT["p2c"](accounts(count), RoutingState(StrategyState()), dice, 3)[0].id for _ in range(PLANS)
    )
    fair(firsts, {account.id: 1 for account in accounts(count)})


@pytest.mark.parametrize(("count", "shares"), [(2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3])])
def test_p2c_takes_the_better_of_two(count, shares) -> None:
    """With falling loads, the account of rank k is first when the other of the pair is one of the k worse ones."""
    dice = Random(5).random
    seen = RoutingState(StrategyState(), lambda account: -int(account[1:]))
    firsts = Counter(ACCOUNT["p2c"](accounts(count), seen, dice, 3)[0].id for _ in range(PLANS))
    if count == 2:
        assert firsts == {"a1": PLANS}, "two accounts are compared, not taken in order"
    else:
        fair(firsts, {f"a{n}": share for n, share in enumerate(shares)})


@pytest.mark.parametrize("weights", [[1, 1, 1], [5, 3, 2], [10, 0, 1], [0, 0, 0]])
def test_weights_are_shares(weights) -> None:
    dice = Random(11).random
    choices = [ComboOption(str(n), float(weight)) for n, weight in enumerate(weights)]
    firsts = Counter(COMBO["weighted"](choices, 0, dice)[0].name for _ in range(PLANS))
    fair(firsts, {str(n): weight for n, weight in enumerate(weights)} if any(weights) else dict.fromkeys("012", 1))


def test_weights_that_are_next_to_nothing_draw_too() -> None:
    choices = [ComboOption("a", 0.0), ComboOption("b", 5e-324), ComboOption("c", 0.0)]
    for draw in (0.0, 0.4, 0.99):
        assert COMBO["weighted"](choices, 0, lambda draw=draw: draw)[0].name == "b"


def test_behind_the_drawn_one_the_others_fall_by_weight() -> None:
    choices = [ComboOption("a", 1.0), ComboOption("b", 9.0), ComboOption("c", 5.0)]
    assert [choice.name for choice in COMBO["weighted"](choices, 0, lambda: 0.0)] == ["a", "b", "c"]


def test_combo_random_is_fair() -> None:
    dice = Random(13).random
    choices = [ComboOption(name) for name in "abc"]
    firsts = Counter(COMBO["random"](choices, 0, dice)[0].name for _ in range(PLANS))
    fair(firsts, dict.fromkeys("abc", 1))


def test_combo_round_robin_starts_one_further_down() -> None:
    choices = [ComboOption(name) for name in "abc"]
    said = ["".join(choice.name for choice in COMBO["round-robin"](choices, turn, lambda: 0.0)) for turn in range(4)]
    assert said == ["abc", "bca", "cab", "abc"]


def test_combo_least_used_and_cost() -> None:
    choices = [
        ComboOption("a", used=2, price=None),
        ComboOption("b", used=0, price=3.0),
        ComboOption("c", used=2, price=0.0),
    ]
    assert [choice.name for choice in COMBO["least-used"](choices, 9, lambda: 0.0)] == ["b", "a", "c"]
    assert [choice.name for choice in COMBO["cost-optimized"](choices, 9, lambda: 0.0)] == ["c", "b", "a"]
