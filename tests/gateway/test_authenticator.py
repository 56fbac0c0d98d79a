"""Who is let in, and what the gate remembers of who was not."""

import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.access.client_address import NO_NETWORKS, networks, resolve_client
from omniroute.access.lockouts import Lockouts, LockoutSettings
from omniroute.config.model import SCOPES, Config, Key, Limit, Scope
from omniroute.config.settings import Settings
from omniroute.errors import Forbidden, NotAllowed, RateLimited
from omniroute.gateway.authenticator import Authenticator

RIGHT = Key(id="k1", name="laptop", digest=b"digest of right")
OTHER = Key(id="k2", name="phone", digest=b"digest of other")
CONFIG = Config(keys=(RIGHT, OTHER), rules=Settings(lockout=LockoutSettings(key_slow_after=3, key_lock_after=10)))
FAR, HERE = "203.0.113.7", "127.0.0.1"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Authenticator:
    return Authenticator(clock=clock, wall=clock)


def show(gate: Authenticator, text: str, peer: str = FAR) -> Key:
    return gate.key((text,), resolve_client(peer, (), NO_NETWORKS), CONFIG, lambda shown: f"digest of {shown}".encode())


def lock(gate: Authenticator, clock: Clock, peer: str = FAR) -> None:
    for _ in range(10):
        with pytest.raises(NotAllowed):
            show(gate, "wrong", peer)
        clock.now += 31


def test_wrong_keys_are_slowed_and_then_locked(gate: Authenticator, clock: Clock) -> None:
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


def test_a_locked_source_is_told_the_same_whatever_it_shows(gate: Authenticator, clock: Clock) -> None:
    lock(gate, clock)
    said = set()
    for text in ("wrong", "right"):
        with pytest.raises(RateLimited) as told:
            show(gate, text)
        said.add((told.value.message, told.value.retry_after))
    assert len(said) == 1


def test_who_was_there_before_goes_on_working(gate: Authenticator, clock: Clock) -> None:
    assert show(gate, "right") == RIGHT
    lock(gate, clock)
    assert show(gate, "right") == RIGHT
    with pytest.raises(RateLimited):
        show(gate, "other")
    assert show(gate, "other", "203.0.113.8") == OTHER


def test_on_this_machine_every_right_key_works(gate: Authenticator, clock: Clock) -> None:
    lock(gate, clock, HERE)
    with pytest.raises(RateLimited):
        show(gate, "wrong", HERE)
    assert show(gate, "right", HERE) == RIGHT
    assert show(gate, "right", "::ffff:127.0.0.1") == RIGHT


def test_who_asks_on_and_on_is_locked_no_longer(gate: Authenticator, clock: Clock) -> None:
    lock(gate, clock)
    for _ in range(200):
        with pytest.raises(RateLimited):
            show(gate, "wrong")
    clock.now += 30
    assert show(gate, "right") == RIGHT


def test_a_password_is_counted_before_it_is_looked_at(gate: Authenticator, clock: Clock) -> None:
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


def test_unlocking_from_another_process(gate: Authenticator, clock: Clock) -> None:
    lock(gate, clock)
    rules = replace(CONFIG.rules, unlocks=frozenset({(1.0, f"key:{FAR}")}))
    unlocked = replace(CONFIG, rules=rules)
    gate.keep(unlocked, CONFIG)
    assert show(gate, "right") == RIGHT
    lock(gate, clock, "203.0.113.9")
    gate.keep(unlocked, unlocked)
    with pytest.raises(RateLimited):
        show(gate, "right", "203.0.113.9")


def test_every_change_is_told_and_nothing_else(gate: Authenticator, clock: Clock) -> None:
    told = []
    gate.changed = lambda: told.append(gate.lockouts.changes())
    for _ in range(2):
        with pytest.raises(NotAllowed):
            show(gate, "wrong")
    assert not told
    with pytest.raises(NotAllowed):
        show(gate, "wrong")
    assert [list(each) for each in told] == [[f"key:{FAR}"]]
    gate.restore(Lockouts({name: held for name, held in told[0].items() if held}), {}, CONFIG)
    with pytest.raises(RateLimited):
        show(gate, "wrong")


# ---- what a key may


def may(gate: Authenticator, key: Key, peer: str = FAR, scope: Scope = "inference") -> Key:
    config = Config(keys=() if key.revoked_at else (key,), revoked=(key,) if key.revoked_at else ())
    return gate.key(
        ("right",),
        resolve_client(peer, (), NO_NETWORKS),
        config,
        lambda shown: f"digest of {shown}".encode(),
        scope,
    )


@pytest.mark.parametrize(
    ("scopes", "good_for"),
    [(("inference",), {"inference"}), (("admin",), {"admin"}), (("inference", "admin"), {"inference", "admin"})],
)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_is_good_for_its_scopes_alone(
    gate: Authenticator, scopes: tuple[Scope, ...], good_for: set[str], scope: Scope
) -> None:
    key = replace(RIGHT, scopes=scopes)
    if scope in good_for:
        assert may(gate, key, scope=scope) is key
    else:
        with pytest.raises(Forbidden, match=f"not for {scope}"):
            may(gate, key, scope=scope)


def test_a_key_that_is_over_says_so_to_its_owner_alone(gate: Authenticator, clock: Clock) -> None:
    ends = replace(RIGHT, expires_at=clock.now + 1)
    assert may(gate, ends) is ends
    clock.now += 1
    for key, words in ((ends, "has expired on"), (replace(RIGHT, revoked_at=5.0), "was revoked on")):
        for _ in range(30):
            with pytest.raises(NotAllowed, match=words):
                may(gate, key)
    assert gate.lockouts.locked(clock.now) == {}, "whoever has the whole key is not guessing"


@pytest.mark.parametrize(
    ("peer", "good"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.0.0.1", False), ("2001:db8::5", True), ("nonsense", False)],
)
def test_a_key_has_its_places(gate: Authenticator, peer: str, good: bool) -> None:
    key = replace(RIGHT, ips=networks("10.0.0.0/8", "2001:db8::/32"))
    if good:
        assert may(gate, key, peer) is key
    else:
        with pytest.raises(Forbidden, match="may not be used from"):
            may(gate, key, peer)


def test_who_asks_as_the_owner_of_a_key_may_what_that_key_may(gate: Authenticator, clock: Clock) -> None:
    over = replace(RIGHT, id="over", expires_at=clock.now)
    admin, there = (
        replace(RIGHT, id="admin", scopes=("admin",)),
        replace(RIGHT, id="there", ips=networks("10.0.0.0/8")),
    )
    gone = replace(RIGHT, id="gone", revoked_at=1.0)
    config = Config(keys=(RIGHT, over, admin, there), revoked=(gone,))
    assert gate.named("k1", resolve_client(FAR, (), NO_NETWORKS), config) is RIGHT
    assert gate.named("there", resolve_client("10.1.1.1", (), NO_NETWORKS), config) is there
    for id, refused in (
        ("over", NotAllowed),
        ("gone", NotAllowed),
        ("nobody", NotAllowed),
        ("admin", Forbidden),
        ("there", Forbidden),
    ):
        with pytest.raises(refused):
            gate.named(id, resolve_client(FAR, (), NO_NETWORKS), config)
    assert not gate.uses(), "it was not shown, so it was not used from anywhere"


def test_the_first_key_that_opens_counts(gate: Authenticator) -> None:
    gone = replace(OTHER, revoked_at=1.0)
    config = Config(keys=(RIGHT,), revoked=(gone,))

    def shown(*texts: str) -> Key:
        return gate.key(texts, resolve_client(FAR, (), NO_NETWORKS), config, lambda text: f"digest of {text}".encode())

    assert shown("other", "right") is RIGHT
    assert shown("right", "other") is RIGHT
    assert shown("nonsense", "right") is RIGHT
    with pytest.raises(NotAllowed, match="was revoked"):
        shown("nonsense", "other")


def test_only_whole_digests_are_compared_and_in_constant_time(
    gate: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No way leads from what was shown to a key but through a digest of all of it, whatever it has in common."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    digested: list[str] = []

    def digest(text: str) -> bytes:
        digested.append(text)
        return hmac.digest(b"secret", text.encode(), "sha256")

    monkeypatch.setattr("omniroute.gateway.authenticator.hmac.compare_digest", compare)
    right = "sk-omni-" + "a" * 43
    key = replace(RIGHT, digest=digest(right))
    config = Config(keys=(key,), rules=Settings(lockout=LockoutSettings(key_slow_after=0, key_lock_after=0)))
    wrong = [right[:n] + "b" + right[n + 1 :] for n in range(len(right))]
    for text in wrong:
        with pytest.raises(NotAllowed):
            gate.key((text,), resolve_client(FAR, (), NO_NETWORKS), config, digest)
    assert gate.key((right,), resolve_client(FAR, (), NO_NETWORKS), config, digest) is key
    assert digested == [right, *wrong, right], "each is digested once, and whole"
    assert compared == [(key.digest, key.digest)], "nothing but a digest is ever compared"


# ---- how much a key may


@given(
    rpm=st.one_of(st.none(), st.integers(1, 5)),
    at_once=st.one_of(st.none(), st.integers(1, 3)),
    steps=st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=60),
)
def test_windows_slide_and_places_come_back(
    rpm: int | None, at_once: int | None, steps: list[tuple[float, bool]]
) -> None:
    clock = Clock()
    gate = Authenticator(clock=clock, wall=clock)
    key = replace(RIGHT, limit=Limit(rpm, None, at_once))
    gate.keep(Config(keys=(key,)), Config())
    begun: list[float] = []
    inside = 0
    for pause, leaves in steps:
        clock.now += pause
        if leaves and inside:
            gate.release(key)
            inside -= 1
        recent = [at for at in begun if at + 60 > clock.now]
        free = (rpm is None or len(recent) < rpm) and (at_once is None or inside < at_once)
        if free:
            gate.acquire(key)
            begun.append(clock.now)
            inside += 1
        else:
            with pytest.raises(RateLimited) as told:
                gate.acquire(key)
            wait = told.value.retry_after
            assert wait
            assert wait <= 60 + 1e-9  # sums of times are rounded
            if rpm is not None and len(recent) >= rpm:
                assert wait == recent[-rpm] + 60 - clock.now
        assert gate.in_use(key.id)[0] == inside
    for _ in range(inside):
        gate.release(key)
    assert gate.in_use(key.id)[0] == 0


def test_limits_are_edited_while_exchanges_are_under_way(gate: Authenticator) -> None:
    one, two = (replace(RIGHT, limit=Limit(None, None, n)) for n in (1, 2))
    before = Config(keys=(one,))
    gate.restore(Lockouts(), {}, before)
    gate.acquire(one)
    with pytest.raises(RateLimited, match="the key 'laptop' is at its limit of 1 at once"):
        gate.acquire(one)
    after = Config(keys=(two,))
    gate.keep(after, before)
    gate.acquire(two)
    gate.keep(Config(), after)
    gate.release(one)
    gate.release(two)
    assert gate.in_use(RIGHT.id) == (0, 0)


# ---- when a key was used


def test_uses_are_noted_once_a_minute(gate: Authenticator, clock: Clock) -> None:
    show(gate, "right")
    show(gate, "other")
    assert gate.uses() == {"k1": (1000.0, FAR), "k2": (1000.0, FAR)}
    for _ in range(59):
        clock.now += 1
        show(gate, "right")
    assert gate.uses() == {}
    clock.now += 1
    show(gate, "right", "2001:db8::5")
    assert gate.uses() == {"k1": (1060.0, "2001:db8::/64")}


def test_where_a_key_was_used_outlives_a_restart(gate: Authenticator, clock: Clock) -> None:
    lock(gate, clock)
    again = Authenticator(clock=clock, wall=clock)
    again.restore(gate.lockouts, {"k1": (1.0, FAR)}, CONFIG)
    assert show(again, "right") == RIGHT
    with pytest.raises(RateLimited):
        show(again, "other")


def test_only_so_many_are_familiar(gate: Authenticator, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniroute.gateway.authenticator.REMEMBERED_KEYS", 2)
    show(gate, "right")
    for n in range(2):
        show(gate, "right", f"198.51.100.{n}")
    lock(gate, clock)
    with pytest.raises(RateLimited):
        show(gate, "right")
