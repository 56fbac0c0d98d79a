"""Who is slowed and locked: laws over any order of tries and waits."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.access import lockouts
from omniroute.access.client_address import UNKNOWN, is_loopback, source_of
from omniroute.access.lockouts import MAX_DELAY, Lockout, Lockouts, LockoutSettings, after_failure

RULES = LockoutSettings(key_slow_after=3, key_lock_after=10)
WHOM = "203.0.113.7"


def after(tries: int, rules: LockoutSettings = RULES, now: float = 1000.0) -> tuple[Lockouts, float]:
    """Try as soon as each try is looked at."""
    held = Lockouts()
    for _ in range(tries):
        now += held.wait("key", WHOM, now)
        held.failed("key", WHOM, rules, now)
    return held, now


def test_the_waits_grow_and_then_come_the_locks() -> None:
    waits = []
    for tries in range(1, 19):
        held, now = after(tries)
        waits.append(round(held.wait("key", WHOM, now)))
    assert waits == [0, 0, 1, 2, 4, 8, 16, 30, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@given(
    slow=st.integers(0, 20),
    lock=st.integers(0, 20),
    seconds=st.floats(1, 1000),
    longest=st.floats(1, 10_000),
    pauses=st.lists(st.floats(0, 5000), max_size=60),
)
def test_nothing_waits_longer_than_the_rules_say(
    slow: int, lock: int, seconds: float, longest: float, pauses: list[float]
) -> None:
    rules = LockoutSettings(key_slow_after=slow, key_lock_after=lock, seconds=seconds, longest=longest)
    held, now, counted = Lockouts(), 0.0, 0
    for pause in pauses:
        now += pause
        if held.wait("key", WHOM, now):
            continue
        before = held.failed("key", WHOM, rules, now)
        counted += 1
        assert before.failures <= counted
        wait = held.wait("key", WHOM, now)
        assert wait <= max(MAX_DELAY, longest) + 1e-6
        if before.locked:
            assert lock
            assert before.failures >= lock
        elif wait:
            assert slow
            assert before.failures >= slow
        assert held.wait("login", WHOM, now) == 0, "each kind is counted for itself"
        assert held.wait("key", "203.0.113.8", now) == 0, "so is each source"


def test_zero_switches_either_off() -> None:
    never = LockoutSettings(key_slow_after=0, key_lock_after=0)
    held, now = after(500, never)
    assert held.wait("key", WHOM, now) == 0
    slow_only = LockoutSettings(key_lock_after=0)
    held, now = after(500, slow_only)
    assert held.wait("key", WHOM, now) == MAX_DELAY


def test_each_kind_has_rules_of_its_own() -> None:
    rules, held = LockoutSettings(login_slow_after=1, key_slow_after=2), Lockouts()
    held.failed("login", WHOM, rules, 0.0)
    held.failed("key", WHOM, rules, 0.0)
    assert (held.wait("login", WHOM, 0.0), held.wait("key", WHOM, 0.0)) == (1, 0)


def test_a_quiet_source_begins_anew() -> None:
    held, now = after(12)
    until = now + held.wait("key", WHOM, now)
    assert held.failed("key", WHOM, RULES, until + RULES.forget - 1).locked
    held, now = after(12)
    until = now + held.wait("key", WHOM, now)
    assert held.failed("key", WHOM, RULES, until + RULES.forget) == Lockout(1, until + RULES.forget)


def test_a_right_login_takes_back_what_was_counted() -> None:
    held = Lockouts()
    for _ in range(3):
        held.failed("login", WHOM, RULES, 0.0)
        held.failed("key", WHOM, RULES, 0.0)
    held.cleared("login", WHOM)
    assert held.wait("login", WHOM, 0.0) == 0
    assert held.wait("key", WHOM, 0.0) == 1


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockouts, "MAX_IDENTIFIERS", 50)
    held = Lockouts()
    for number in range(50):
        for _ in range(3):
            held.failed("key", f"source {number}", RULES, float(number))
    assert len(held.changes()) == 50
    for _ in range(3):
        held.failed("key", "source 0", RULES, 100.0)  # it is no longer the oldest
        held.failed("key", "one more", RULES, 100.0)
    changes = held.changes()
    assert changes["key:source 1"] is None, "the oldest goes, on disk too"
    assert changes.keys() == {"key:source 0", "key:one more", "key:source 1"}
    assert len(held.locked(100.0)) == 2


def test_what_has_no_consequence_is_not_written() -> None:
    held = Lockouts()
    held.failed("key", WHOM, RULES, 0.0)
    held.failed("key", WHOM, RULES, 0.0)
    assert held.changes() == {}
    held.failed("key", WHOM, RULES, 0.0)
    assert held.changes() == {f"key:{WHOM}": Lockout(3, 0.0, 1.0)}
    assert held.changes() == {}


def test_a_restart_lets_nobody_in() -> None:
    held, now = after(11)
    again = Lockouts({name: each for name, each in held.changes().items() if each})
    assert again.wait("key", WHOM, now) == held.wait("key", WHOM, now) == 120


def test_unlocking() -> None:
    held, now = after(11)
    held.changes()
    held.unlock(["key:somebody else"])
    assert held.changes() == {}
    held.unlock([f"key:{WHOM}"])
    assert held.wait("key", WHOM, now) == 0
    assert held.changes() == {f"key:{WHOM}": None}
    assert held.failed("key", WHOM, RULES, now).failures == 1
    held.failed("login", WHOM, RULES, now)
    held.unlock(["*"])
    assert held.failed("login", WHOM, RULES, now).failures == 1


def test_forgetting_what_is_over() -> None:
    held, now = after(3)
    held.forget(RULES, now + 1 + RULES.forget - 0.1)
    assert held.changes()[f"key:{WHOM}"]
    held.forget(RULES, now + 1 + RULES.forget)
    assert held.changes() == {f"key:{WHOM}": None}


def test_a_clock_that_is_set_back_locks_nobody() -> None:
    held, now = after(11)
    assert held.wait("key", WHOM, now - 86400) == 0
    assert after_failure(Lockout(11, now, now + 120, locked=True), "key", RULES, now - 86400).failures == 12


@given(st.ip_addresses(v=4))
def test_an_address_of_ipv4_stands_for_itself(address: IPv4Address) -> None:
    assert source_of(str(address)) == str(address)
    assert source_of(f"::ffff:{address}") == str(address)
    assert is_loopback(f"::ffff:{address}") == address.is_loopback


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_in_ipv6_the_network_does(address: IPv6Address, host: int) -> None:
    if address.ipv4_mapped or address.is_loopback:
        return
    source = source_of(str(address))
    assert address in ip_network(source)
    neighbour = IPv6Address(int(address) >> 64 << 64 | host)
    if not (neighbour.is_loopback or neighbour.ipv4_mapped):
        assert source_of(f"{neighbour}%eth0") == source


def test_what_is_no_address_is_one_source() -> None:
    assert source_of("nonsense") == UNKNOWN
    assert source_of("::1") == "::1"
