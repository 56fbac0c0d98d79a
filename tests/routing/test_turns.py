"""What strategies remember: saved as changes, taken up again after a restart."""

from hypothesis import given
from hypothesis import strategies as st

from omniroute.routing.strategy_state import StrategyState, Use

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("asked"), st.sampled_from(["p", "q"]), st.integers(0, 2)),
        st.tuples(st.just("led"), st.sampled_from(["mix", "max"]), st.sampled_from(["m", "n"])),
        st.tuples(st.just("taken"), st.sampled_from(["mix", "max"]), st.none()),
    )
)


def take(turns: StrategyState, step) -> None:
    match step:
        case ("asked", provider, number):
            turns.record_call(provider, f"{provider}{number}", 1.0)
        case ("led", combo, listed):
            turns.counter([(combo, listed)])
        case ("taken", combo, _):
            turns.advance([combo])


def shown(turns: StrategyState):
    accounts = [f"{provider}{number}" for provider in "pq" for number in range(3)]
    return (
        [turns.serial(account) for account in accounts],
        [turns.newest(provider) for provider in "pq"],
        [(turns.turn(combo), turns.calls(combo, "m"), turns.calls(combo, "n")) for combo in ("mix", "max")],
    )


@given(STEPS, STEPS)
def test_what_was_saved_goes_on_as_if_nothing_had_happened(before, after) -> None:
    turns, uses, calls = StrategyState(), {}, {}
    for step in before:
        take(turns, step)
        if changes := turns.changes():
            uses |= changes.uses
            calls |= changes.calls
    again = StrategyState(uses, calls)
    assert shown(again) == shown(turns)
    for step in after:
        take(turns, step)
        take(again, step)
    assert shown(again) == shown(turns)


def test_a_streak_ends_with_another_account_of_the_same_provider() -> None:
    turns = StrategyState()
    for provider, account in [("p", "a"), ("q", "x"), ("p", "a"), ("p", "b"), ("p", "a")]:
        turns.record_call(provider, account, 5.0)
    assert turns.newest("p") == ("a", 1)
    assert turns.newest("q") == ("x", 1)
    assert turns.newest("r") is None
    changes = turns.changes()
    assert changes
    assert changes.uses["a"] == Use("p", 5, 1, 5.0)
    assert turns.changes() is None


def test_what_is_gone_is_forgotten_and_said() -> None:
    turns = StrategyState({"a": Use("p", 1, 1), "b": Use("p", 2, 1)}, {("mix", "m"): 3, ("mix", ""): 3, ("old", ""): 1})
    turns.keep(["a"], {"new"})
    assert turns.newest("p") is None, "who is asked next begins a new streak"
    assert turns.turn("mix") == turns.calls("mix", "m") == turns.turn("old") == 0
    changes = turns.changes()
    assert changes
    assert changes.uses == {"b": None}
    assert changes.calls == {("mix", "m"): None, ("mix", ""): None, ("old", ""): None}
    turns.keep(["a"], set())
    assert turns.changes() is None


def test_somebody_is_forgotten_as_if_never_asked() -> None:
    turns = StrategyState({"a": Use("p", 1, 1)})
    turns.record_call("p", "b", 2.0)
    turns.forget("b")
    turns.forget("nobody")
    changes = turns.changes()
    assert changes
    assert changes.uses == {"b": None}
    assert turns.newest("p") is None
    assert (turns.serial("a"), turns.serial("b")) == (1, 0)
