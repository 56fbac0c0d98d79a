"""Limits and the queue before them, by a clock that the test moves: whatever comes in whatever order."""

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.providers import node
from omniroute.config.model import Account, Limit
from omniroute.routing.admission_queue import Admission, LimitUse, Ticket
from omniroute.routing.rate_limits import MINUTE, InFlight
from omniroute.routing.target import RoutePath, Target

BOX = node("box", "openai", "http://127.0.0.1:1")
CLOSE = 1e-6
"""Seconds: clocks add up with errors."""


def target(account: str, model: str = "m") -> Target:
    return Target(Account(account, "box", account), BOX, model, "openai", RoutePath("asked for"), "")


@dataclass(eq=False)
class Asker:
    """One request of the simulation."""

    number: int
    targets: list[Target]
    came: float
    ticket: Ticket | None = None
    let_in: float | None = None
    account: str = ""
    gone: bool = False


@dataclass
class World:
    """A gateway without sockets: requests come, wait, are let in, end or leave, and the alarm rings by itself."""

    limits: dict[str, Limit]
    size: int = 1000
    now: float = 1000.0
    rings_at: float = inf
    rings: int = 0
    waiting: list[Asker] = field(default_factory=list)
    busy: list[Asker] = field(default_factory=list)
    begun: list[Asker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admission = Admission(InFlight(), lambda: self.now)
        self.admission.alarm = self.set_alarm
        self.admission.set(self.limits)

    def set_alarm(self, seconds: float) -> None:
        assert seconds > 0
        self.rings_at = self.now + seconds

    def come(self, *targets: Target) -> Asker:
        asker = Asker(len(self.begun) + len(self.waiting), list(targets), self.now)
        if admitted := self.admission.admit(asker.targets):
            self.begin(asker, admitted[0].account.id, admitted[1])
        else:
            asker.ticket = self.admission.join(asker.targets, partial(self.turn, asker), self.size)
            if asker.ticket:
                self.waiting.append(asker)
        return asker

    def turn(self, asker: Asker) -> None:
        assert asker.ticket
        assert not asker.gone
        assert asker.ticket.place
        account, model = asker.ticket.place
        self.check_fair(asker, account, model)
        self.waiting.remove(asker)
        taken = self.admission.take(asker.ticket)
        assert taken
        self.begin(asker, account, taken[1])

    def check_fair(self, asker: Asker, account: str, model: str) -> None:
        """Nobody who came earlier and waits for the same account could have gone there."""
        for other in self.waiting[: self.waiting.index(asker)]:
            for each in other.targets:
                if each.account.id == account and not (other.ticket and other.ticket.place):
                    assert self.admission.limits.shut(account, each.model, self.now), "an earlier one was overtaken"

    def begin(self, asker: Asker, account: str, at: float) -> None:
        asker.let_in, asker.account = at, account
        self.busy.append(asker)
        self.begun.append(asker)
        self.check(account)

    def check(self, account: str) -> None:
        limit = self.limits.get(account, Limit())
        at = [asker.let_in for asker in self.begun if asker.account == account and asker.let_in is not None]
        if limit.rpm is not None and len(at) > limit.rpm:
            assert at[-1] - at[-1 - limit.rpm] >= MINUTE - CLOSE
        if limit.gap is not None and len(at) > 1:
            assert at[-1] - at[-2] >= limit.gap - CLOSE
        if limit.concurrency is not None:
            assert sum(asker.account == account for asker in self.busy) <= limit.concurrency

    def end(self, asker: Asker, *, sent: bool = True) -> None:
        self.busy.remove(asker)
        if sent:
            self.admission.limits.end(asker.account)
            self.admission.ended(asker.account)
        else:
            assert asker.let_in is not None
            self.begun.remove(asker)
            self.admission.give_back(asker.account, asker.let_in)

    def leave(self, asker: Asker) -> None:
        asker.gone = True
        self.waiting.remove(asker)
        assert asker.ticket
        self.admission.leave(asker.ticket)

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self.rings_at <= until:
            self.now, self.rings_at = max(self.now, self.rings_at), inf
            self.rings += 1
            self.admission.ring()
        self.now = until

    def settle(self) -> None:
        """Let all that go on end, again and again, until nobody waits: nobody waits for ever."""
        for _ in range(2000):
            for asker in [*self.busy]:
                self.end(asker)
            if not self.waiting and not self.busy:
                return
            self.pass_time(min(self.rings_at - self.now, 100.0) if self.rings_at < inf else 1.0)
        raise AssertionError(f"{len(self.waiting)} still wait")


LIMITS = st.builds(
    Limit,
    rpm=st.none() | st.integers(1, 5),
    gap=st.none() | st.sampled_from([0.05, 0.5, 3.0, 70.0]),
    concurrency=st.none() | st.integers(1, 4),
)
TARGETS = st.lists(st.builds(target, st.sampled_from("abc"), st.sampled_from("mn")), min_size=1, max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), TARGETS),
        st.tuples(st.just("pass"), st.sampled_from([0.0, 0.01, 0.3, 2.0, 20.0, 59.0, 61.0])),
        st.tuples(st.sampled_from(["end", "unsent", "leave"]), st.integers(0, 100)),
        st.tuples(st.just("learn"), st.tuples(st.sampled_from("abc"), st.sampled_from("mn"), st.floats(0.1, 30.0))),
        st.tuples(st.just("set"), st.dictionaries(st.sampled_from("abc"), LIMITS)),
    ),
    max_size=60,
)


@given(st.dictionaries(st.sampled_from("abc"), LIMITS), STEPS)
def test_no_limit_is_ever_passed_and_everybody_has_their_turn(limits, steps) -> None:
    world = World(limits)
    for what, value in steps:
        match what:
            case "come":
                world.come(*value)
            case "pass":
                world.pass_time(value)
            case "learn":
                world.admission.learn(*value)
            case "leave" if world.waiting:
                world.leave(world.waiting[value % len(world.waiting)])
            case "end" | "unsent" if world.busy:
                world.end(world.busy[value % len(world.busy)], sent=what == "end")
            case "set":
                kept = [account for account, limit in value.items() if world.limits.get(account) == limit]
                # What began under other limits was counted by these.
                world.begun = [asker for asker in world.begun if asker.account in kept]
                changed = [asker for asker in world.busy if asker.account not in kept]
                for asker in changed:
                    if asker in world.busy:
                        world.end(asker)
                world.limits = value
                world.admission.keep("abc")
                world.admission.set(value)
        assert len(world.admission.queue) == len(world.waiting)
    world.settle()
    assert not world.admission.queue.accounts()
    assert all(world.admission.limits.in_use(account, world.now)[0] == 0 for account in "abc")


@given(st.integers(1, 8), st.integers(9, 80), st.randoms(use_true_random=False))
def test_one_line_is_served_in_the_order_of_coming(concurrency: int, number: int, dice: random.Random) -> None:
    world = World({"a": Limit(concurrency=concurrency)})
    askers = [world.come(target("a")) for _ in range(number)]
    while world.busy:
        world.end(dice.choice(world.busy))
    assert world.begun == askers


@pytest.mark.parametrize(
    ("limit", "seconds"), [(Limit(rpm=30), 180.0), (Limit(gap=0.1), 9.9), (Limit(rpm=60, gap=0.5), 79.5)]
)
def test_who_only_waits_for_time_goes_as_soon_as_it_is_allowed(limit: Limit, seconds: float) -> None:
    world = World({"a": limit})
    for _ in range(100):
        world.come(target("a"))
    world.pass_time(400)
    assert len(world.begun) == 100
    assert world.rings <= 110, "the alarm rings once for each, and nobody asks in between"
    at = [asker.let_in for asker in world.begun if asker.let_in is not None]
    assert at[-1] - at[0] == pytest.approx(seconds, abs=0.2)


def test_a_limited_account_is_passed_over_while_another_can_be_asked() -> None:
    world = World({"a": Limit(concurrency=1)})
    both = (target("a"), target("b"))
    assert [world.come(*both).account for _ in range(3)] == ["a", "b", "b"]
    [(limited, wait)] = world.admission.waits(both)
    assert (limited.account.id, wait.why) == ("a", "it is at its limit of 1 at once")


def test_who_waits_for_several_goes_to_the_first_that_is_free() -> None:
    world = World({"a": Limit(concurrency=1), "b": Limit(rpm=1)})
    both = (target("a"), target("b"))
    first, _, waits = (world.come(*both) for _ in range(3))
    assert world.waiting == [waits]
    world.end(first)
    assert waits.account == "a"
    later = world.come(*both)
    world.pass_time(MINUTE)
    assert later.account == "b"
    assert not world.admission.queue.accounts()


def test_nobody_overtakes_the_queue() -> None:
    world = World({"a": Limit(concurrency=1)})
    first, second = world.come(target("a")), world.come(target("a"))
    world.admission.limits.end("a")  # an end that nobody has told the queue of yet
    world.busy.remove(first)
    third = world.come(target("a"))
    assert (second.account, third.account) == ("a", "")


def test_who_leaves_makes_room_at_once() -> None:
    world = World({"a": Limit(concurrency=1, gap=10.0)}, size=1)
    first, second = world.come(target("a")), world.come(target("a"))
    assert world.come(target("a")).ticket is None, "the line is as long as it may be"
    world.leave(second)
    assert world.come(target("a")).ticket
    world.end(first, sent=False)
    assert not world.waiting, "of what was never sent not even the gap counts"


def test_who_leaves_after_being_let_in_gives_the_place_to_the_next() -> None:
    world = World({"a": Limit(concurrency=1)})
    first = world.come(target("a"))
    slow = world.admission.join([target("a")], lambda: None, 9)
    third = world.come(target("a"))
    world.end(first)
    assert slow
    assert slow.place
    assert not third.account
    world.admission.leave(slow)
    assert third.account == "a"


def test_a_full_line_of_one_account_leaves_the_other() -> None:
    world = World({"a": Limit(concurrency=1), "b": Limit(concurrency=1)}, size=2)
    for _ in range(3):
        world.come(target("a"))
    world.come(target("b"))
    mixed = world.come(target("a"), target("b"))
    assert mixed.ticket
    assert mixed.ticket.places == (("b", "m"),)
    assert world.admission.in_use("a") == LimitUse(1, 2, 0)


def test_what_a_provider_says_counts_for_the_model_alone() -> None:
    world = World({})
    world.admission.learn("a", "m", 5.0)
    assert world.come(target("a", "n")).account == "a"
    waits = world.come(target("a"))
    assert waits.ticket
    assert world.come(target("a", "n")).account == "a", "it waits for something else"
    world.pass_time(5.0)
    assert waits.let_in == pytest.approx(1005.0, abs=0.01)


def test_limits_that_are_lifted_or_forgotten_let_everybody_in() -> None:
    world = World({"a": Limit(concurrency=1)})
    for _ in range(5):
        world.come(target("a"))
    world.limits = {}
    world.admission.set({})
    assert not world.waiting
    world.admission.learn("b", "m", 50.0)
    world.come(target("b"))
    world.admission.forget(["a"])
    assert world.waiting
    world.admission.forget()
    assert not world.waiting


def test_nothing_is_counted_of_who_is_not_limited() -> None:
    world = World({})
    for _ in range(1000):
        world.end(world.come(target("a")))
    assert world.admission.changes() is None
    assert world.admission.limits._begun == {}


def test_changes_say_what_is_in_use_and_learned_once() -> None:
    world = World({"a": Limit(rpm=2)})
    for _ in range(3):
        world.come(target("a"))
    world.admission.learn("b", "m", 7.0)
    found = world.admission.changes()
    assert found
    assert found.in_use == {"a": LimitUse(2, 1, 2)}
    assert found.learned == {("b", "m"): pytest.approx(7.0)}
    assert world.admission.changes() is None
    world.admission.keep(["a"])
    world.limits = {}
    world.admission.set({})
    found = world.admission.changes()
    assert found
    assert found.in_use == {"a": None}
    assert found.learned == {("b", "m"): None}


def test_accounts_share_fairly_what_waits_for_both() -> None:
    world = World({"a": Limit(concurrency=2), "b": Limit(concurrency=3)})
    for _ in range(50):
        world.come(target("a"), target("b"))
    while world.busy:
        for asker in [*world.busy]:
            world.end(asker)
    assert Counter(asker.account for asker in world.begun) == {"a": 20, "b": 30}


def test_a_restart_forgets_nothing_of_the_last_minute() -> None:
    world = World({"a": Limit(rpm=3)})
    for _ in range(2):
        world.come(target("a"))
        world.now += 10
    changes = world.admission.changes()
    assert changes
    assert [(account, round(age)) for account, age in changes.begun] == [("a", 20), ("a", 10)]
    again = World({"a": Limit(rpm=3)})
    again.now = 5000.0
    again.admission.limits.take_up("a", [again.now - age for _, age in changes.begun])
    again.admission.limits.take_up("nobody", [again.now])
    again.come(target("a"))
    assert again.admission.in_use("a").minute == 3
    assert again.admission.admit([target("a")]) is None
    again.now += 41
    assert again.admission.admit([target("a")])
    assert "nobody" not in again.admission.limits._begun


def test_what_was_taken_back_is_not_kept() -> None:
    world = World({"a": Limit(rpm=3)})
    admitted = world.admission.admit([target("a")])
    assert admitted
    world.admission.give_back("a", admitted[1])
    changes = world.admission.changes()
    assert changes
    assert changes.begun == ()
