"""Who is let in, and what the gate remembers of who was not."""

from dataclasses import replace

import pytest

from omniroute.errors import NotAllowed, RateLimited
from omniroute.gate import Gate
from omniroute.routing.config import Config, Key
from omniroute.routing.forwarded import comer
from omniroute.routing.lockouts import LockoutRules, Lockouts
from omniroute.routing.networks import NOWHERE
from omniroute.routing.rules import Rules

RIGHT = Key(id="k1", name="laptop", digest=b"digest of right")
OTHER = Key(id="k2", name="phone", digest=b"digest of other")
CONFIG = Config(keys=(RIGHT, OTHER), rules=Rules(lockout=LockoutRules(key_slow_after=3, key_lock_after=10)))
FAR, HERE = "203.0.113.7", "127.0.0.1"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(clock=clock, wall=clock)


def show(gate: Gate, text: str, peer: str = FAR) -> Key:
    return gate.key((text,), comer(peer, (), NOWHERE), CONFIG, lambda shown: f"digest of {shown}".encode())


def lock(gate: Gate, clock: Clock, peer: str = FAR) -> None:
    for _ in range(10):
        with pytest.raises(NotAllowed):
            show(gate, "wrong", peer)
        clock.now += 31


def test_wrong_keys_are_slowed_and_then_locked(gate: Gate, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(NotAllowed):
            show(gate, "wrong")
    with pytest.raises(RateLimited) as told:
        show(gate, "wrong")
    assert told.value.retry_after == 1
    clock.now += 1
    for _ in range(7):
        with pytest.raises(NotAllowed):
            show(gate, "wrong")
        clock.now += 30
    clock.now -= 30
    with pytest.raises(RateLimited) as told:
        show(gate, "wrong")
    assert told.value.retry_after == 60
    assert "omniroute-ctl policy unlock key:203.0.113.7" in told.value.message


def test_a_locked_source_is_told_the_same_whatever_it_shows(gate: Gate, clock: Clock) -> None:
    lock(gate, clock)
    said = set()
    for text in ("wrong", "right"):
        with pytest.raises(RateLimited) as told:
            show(gate, text)
        said.add((told.value.message, told.value.retry_after))
    assert len(said) == 1


def test_who_was_there_before_goes_on_working(gate: Gate, clock: Clock) -> None:
    assert show(gate, "right") == RIGHT
    lock(gate, clock)
    assert show(gate, "right") == RIGHT
    with pytest.raises(RateLimited):
        show(gate, "other")
    assert show(gate, "other", "203.0.113.8") == OTHER


def test_on_this_machine_every_right_key_works(gate: Gate, clock: Clock) -> None:
    lock(gate, clock, HERE)
    with pytest.raises(RateLimited):
        show(gate, "wrong", HERE)
    assert show(gate, "right", HERE) == RIGHT
    assert show(gate, "right", "::ffff:127.0.0.1") == RIGHT


def test_who_asks_on_and_on_is_locked_no_longer(gate: Gate, clock: Clock) -> None:
    lock(gate, clock)
    for _ in range(200):
        with pytest.raises(RateLimited):
            show(gate, "wrong")
    clock.now += 30
    assert show(gate, "right") == RIGHT


def test_a_password_is_counted_before_it_is_looked_at(gate: Gate, clock: Clock) -> None:
    for _ in range(3):
        gate.begin_login(FAR, CONFIG)
    with pytest.raises(RateLimited):
        gate.begin_login(FAR, CONFIG)
    gate.begin_login("203.0.113.8", CONFIG)
    clock.now += 1
    gate.begin_login(FAR, CONFIG)
    gate.logged_in(FAR)
    gate.begin_login(FAR, CONFIG)
    for _ in range(2):
        gate.begin_login(HERE, CONFIG)
    gate.begin_login(HERE, CONFIG)
    with pytest.raises(RateLimited):
        gate.begin_login(HERE, CONFIG)  # a password can be guessed from here too


def test_unlocking_from_another_process(gate: Gate, clock: Clock) -> None:
    lock(gate, clock)
    rules = replace(CONFIG.rules, unlocks=frozenset({(1.0, f"key:{FAR}")}))
    unlocked = replace(CONFIG, rules=rules)
    gate.keep(unlocked, CONFIG)
    assert show(gate, "right") == RIGHT
    lock(gate, clock, "203.0.113.9")
    gate.keep(unlocked, unlocked)
    with pytest.raises(RateLimited):
        show(gate, "right", "203.0.113.9")


def test_every_change_is_told_and_nothing_else(gate: Gate, clock: Clock) -> None:
    told = []
    gate.changed = lambda: told.append(gate.lockouts.changes())
    for _ in range(2):
        with pytest.raises(NotAllowed):
            show(gate, "wrong")
    assert not told
    with pytest.raises(NotAllowed):
        show(gate, "wrong")
    assert [list(each) for each in told] == [[f"key:{FAR}"]]
    gate.take_up(Lockouts({name: held for name, held in told[0].items() if held}), {}, CONFIG)
    with pytest.raises(RateLimited):
        show(gate, "wrong")
