"""The password, the admin token and the sessions of those who have logged in."""

from collections.abc import Callable

import pytest

from omniroute.redaction import redact
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.state import password, sessions

Open = Callable[..., Store]
WORDS = "correct horse battery"


@pytest.mark.parametrize("text", ["", "short77", "x" * 201, "changeme", "omniroute-default-secret-change-me"])
def test_a_password_that_may_not_be_is_refused_and_the_old_one_stays(store: Store, text: str) -> None:
    password.put(store, WORDS)
    with pytest.raises(StoreError, match="the password"):
        password.put(store, text)
    assert password.matches(store, WORDS)


def test_only_the_password_matches(store: Store) -> None:
    assert not password.matches(store, WORDS)
    assert not password.is_set(store)
    password.put(store, WORDS)
    assert password.matches(store, WORDS)
    assert not password.matches(store, WORDS.upper())
    assert not password.matches(store, "\udcff")
    assert WORDS.encode() not in store.path.read_bytes() + store.path.with_name("storage.sqlite-wal").read_bytes()


def test_the_first_password_is_generated_once(store: Store) -> None:
    made = password.begin(store, {})
    assert made is not None
    assert password.matches(store, made)
    assert password.begin(store, {}) is None
    assert password.generate() != password.generate()


def test_the_environments_password_is_taken_only_where_none_is_set(store: Store) -> None:
    assert password.begin(store, {"INITIAL_PASSWORD": WORDS}) is None
    assert password.matches(store, WORDS)
    assert password.begin(store, {"INITIAL_PASSWORD": "another one"}) is None
    assert password.matches(store, WORDS)


@pytest.mark.parametrize("text", ["123456", "seven77"])
def test_a_first_password_that_may_not_be_is_named(store: Store, text: str) -> None:
    with pytest.raises(StoreError, match="INITIAL_PASSWORD"):
        password.begin(store, {"INITIAL_PASSWORD": text})
    assert not password.is_set(store)


def test_a_session_lives_until_it_ends_or_expires(store: Store, clock: Callable[[], float]) -> None:
    one, two = sessions.begin(store), sessions.begin(store)
    assert sessions.is_live(store, one)
    sessions.end(store, one)
    assert not sessions.is_live(store, one)
    assert sessions.is_live(store, two)
    clock.now += sessions.LASTS  # type: ignore[attr-defined]
    assert not sessions.is_live(store, two)


def test_a_new_password_ends_all_sessions(store: Store) -> None:
    session = sessions.begin(store)
    password.put(store, WORDS)
    assert not sessions.is_live(store, session)


def test_old_sessions_go_when_there_are_too_many(store: Store) -> None:
    begun = [sessions.begin(store) for _ in range(sessions.MOST + 2)]
    assert [sessions.is_live(store, each) for each in begun] == [False] * 2 + [True] * sessions.MOST


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:-1], lambda c: c + "0", lambda c: "x" + c, lambda c: ".", lambda c: "é.\udcff"]
)
def test_a_forged_cookie_opens_nothing(store: Store, spoil: Callable[[str], str]) -> None:
    session = sessions.begin(store)
    assert not sessions.is_live(store, spoil(session))
    sessions.end(store, spoil(session))
    assert sessions.is_live(store, session)


def test_another_secret_for_sessions_ends_them(open_store: Open) -> None:
    session = sessions.begin(open_store(JWT_SECRET="one of my own"))
    assert sessions.is_live(open_store(JWT_SECRET="one of my own"), session)
    assert not sessions.is_live(open_store(), session)


def test_the_token_stays_until_it_is_rotated(store: Store, open_store: Open) -> None:
    assert not sessions.is_token(store, "")
    token = sessions.token(store)
    assert sessions.token(open_store()) == token
    assert sessions.is_token(store, token)
    assert not sessions.is_token(store, token + "x")
    other = sessions.rotate(store)
    assert sessions.is_token(store, other)
    assert not sessions.is_token(store, token)
    assert other not in redact(f"asked with {other}")
    assert token.encode() not in store.path.with_name("storage.sqlite-wal").read_bytes()
