"""Keys as they are kept: made, edited, turned, and nonsense refused whole."""

from collections.abc import Callable
from typing import Any

import pytest

from omniroute.config.model import Key, Limit
from omniroute.store.config import keys, rows, snapshot
from omniroute.store.config.keys import KeyEdit
from omniroute.store.db.database import Store


def only(store: Store) -> Key:
    [found] = snapshot.load(store).keys
    return found


def test_a_key_is_what_was_said(store: Store) -> None:
    at = store.clock() + 1000
    change = KeyEdit(scopes=["admin", "inference"], expires_at=at, ips=["10.0.0.0/8", "::1"], rpm=60, concurrency=5)
    made, shown = keys.create(store, "laptop", ["openai/*"], change)
    assert only(store) == made
    assert (made.scopes, made.expires_at, made.ips.texts) == (("inference", "admin"), at, ("10.0.0.0/8", "::1"))
    assert made.limit == Limit(60, None, 5)
    assert made.digest == keys.digest(store, shown)
    assert shown not in repr(made)
    assert made.digest.hex() not in repr(made)


def test_what_is_not_said_stays(store: Store) -> None:
    made, shown = keys.create(store, "laptop", ["openai/*"], KeyEdit(rpm=60, ips=["10.0.0.1"]))
    assert keys.edit(store, "laptop", KeyEdit(concurrency=5)).limit == Limit(60, None, 5)
    assert keys.edit(store, made.id, KeyEdit(rpm=0)).limit == Limit(None, None, 5)
    assert keys.edit(store, made.id[:6], KeyEdit(concurrency=0, name="phone", ips=())).name == "phone"
    found = only(store)
    assert (found.limit, found.ips.texts, found.allow) == (Limit(), (), ("openai/*",))
    assert found.digest == keys.digest(store, shown)
    keys.edit(store, "phone", KeyEdit(allow=(), expires_at=store.clock() + 5))
    keys.edit(store, "phone", KeyEdit(expires_at=0))
    assert (only(store).allow, only(store).expires_at) == ((), None)


def test_a_key_turns(store: Store) -> None:
    made, old = keys.create(store, "laptop", (), KeyEdit(rpm=9))
    turned, new = keys.rotate(store, "laptop")
    assert (turned.id, turned.limit, turned.name) == (made.id, made.limit, "laptop")
    by_digest = snapshot.load(store).keys_by_digest
    assert keys.digest(store, old) not in by_digest
    assert by_digest[keys.digest(store, new)] == turned
    assert turned.hint == new[-4:]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"rpm": -1}, "requests a minute cannot be -1"),
        ({"rpm": 10**9}, "it takes 1 to 1,000,000, or 0"),
        ({"concurrency": -5}, "the concurrency cannot be -5"),
        ({"ips": ["10.0.0.0/8", "10.0.0.0/99"]}, "'10.0.0.0/99' is no address"),
        ({"ips": [f"10.0.{n // 256}.{n % 256}" for n in range(1001)]}, "at most 1,000 networks"),
        ({"expires_at": 1.0}, "cannot expire in the past"),
        ({"scopes": ["root"]}, "there is no scope 'root': say inference or admin"),
        ({"scopes": []}, "a key is for something"),
        ({"allow": ["has space"]}, "is no model pattern"),
        ({"name": ""}, "cannot be the name of a key"),
        ({"name": "other"}, "there is a key named 'other' already"),
    ],
)
def test_nonsense_changes_nothing(store: Store, refuses: Callable[..., str], said: dict[str, Any], words: str) -> None:
    keys.create(store, "other")
    keys.create(store, "laptop", ["openai/*"], KeyEdit(rpm=5))
    before = rows.keys(store)
    assert words in refuses(keys.edit, "laptop", KeyEdit(**({"rpm": 7, "name": "renamed"} | said)))
    if not said.keys() & {"name", "allow"}:
        assert words in refuses(keys.create, "new", (), KeyEdit(**said))
    assert rows.keys(store) == before


def test_keys_of_before_ask_models(store: Store) -> None:
    """A row that was written before there were scopes."""
    keys.create(store, "laptop")
    with store.change():
        store.db.execute_sql(
            "insert into api_keys (id, name, digest, hint, allow, created_at) values ('a', 'old', x'00', 'x', '[]', 1)"
        )
    old = keys.find(store, "old")
    assert (old.scopes, old.expires_at, old.ips.texts, old.limit) == (("inference",), None, (), Limit())


def test_when_keys_were_used_is_no_change_of_the_configuration(store: Store) -> None:
    made, _ = keys.create(store, "laptop")
    revision = store.revision()
    keys.save_uses(store, {made.id: (5.0, "127.0.0.1")})
    keys.save_uses(store, {made.id: (6.0, "203.0.113.0")})
    assert keys.uses(store) == {made.id: (6.0, "203.0.113.0")}
    assert store.revision() == revision
