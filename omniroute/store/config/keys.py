"""Gateway API keys, which clients present. Only their digests are stored."""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from omniroute.access.client_address import networks
from omniroute.config.model import SCOPES, Key, Limit, Scope
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows
from omniroute.store.config.ip_filter import network
from omniroute.store.config.validation import SHORTEST_ID_PREFIX, label, new_id, patterns, quoted, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.state_tables import KeyUses
from omniroute.store.db.tables import ApiKeys

MARK = "sk-omni-"
"""Prefix of every key, by which users and `redact` recognize one."""
RANDOM_BYTES = 32
MOST = 1_000_000
MOST_NETWORKS = 1000


@dataclass(frozen=True, slots=True)
class KeyEdit:
    """Changes of a key; None leaves a field unchanged."""

    name: str | None = None
    allow: Iterable[str] | None = None
    scopes: Iterable[str] | None = None
    expires_at: float | None = None
    """Seconds of the epoch; 0 removes the expiry."""
    ips: Iterable[str] | None = None
    rpm: int | None = None
    """Requests a minute; 0 removes the limit, here and in `concurrency`."""
    concurrency: int | None = None


def create(store: Store, name: str, allow: Iterable[str] = (), change: KeyEdit = KeyEdit()) -> tuple[Key, str]:
    """Create a key and return it with its secret text, which is not stored and cannot be shown again.

    Raises StoreError for an invalid value or a name in use.
    """
    shown = MARK + secrets.token_urlsafe(RANDOM_BYTES)
    blank = Key(new_id(), "", store.digest(shown), hint=shown[-4:], created_at=store.clock())
    key = _changed(blank, replace(change, name=name, allow=patterns(allow)), store.clock())
    with store.change():
        _check_name(store, key)
        store.run(ApiKeys.insert(**_row(key)))
    return key, shown


def edit(store: Store, ref: str, change: KeyEdit) -> Key:
    """Change a live key, given by id, name or beginning of the id, in one transaction.

    Raises StoreError if not possible.
    """
    with store.change():
        key = _changed(find(store, ref), change, store.clock())
        _check_name(store, key)
        store.run(ApiKeys.update(**_row(key)).where(ApiKeys.id == key.id))
    return key


def rotate(store: Store, ref: str) -> tuple[Key, str]:
    """Replace the secret of a live key and return both; the old secret stops working.

    Permissions, limits, usage and spending of the key are unchanged.
    """
    shown = MARK + secrets.token_urlsafe(RANDOM_BYTES)
    with store.change():
        key = replace(find(store, ref), digest=store.digest(shown), hint=shown[-4:])
        store.run(ApiKeys.update(**_row(key)).where(ApiKeys.id == key.id))
    return key, shown


def revoke(store: Store, ref: str) -> Key:
    """Revoke a live key, given by id, name or beginning of the id, and return it.

    Raises StoreError if there is none.
    """
    with store.change():
        meant = find(store, ref)
        now = store.clock()
        store.run(ApiKeys.update(revoked_at=now).where(ApiKeys.id == meant.id))
    return replace(meant, revoked_at=now)


def find(store: Store, ref: str) -> Key:
    """Return the live key with this id, name or beginning of the id; raise StoreError when none or several match."""
    live = [key for key in rows.keys(store) if key.revoked_at is None]
    ways = (
        [key for key in live if key.id == ref or key.name == ref],
        [key for key in live if len(ref) >= SHORTEST_ID_PREFIX and key.id.startswith(ref)],
    )
    meant = next((found for found in ways if found), [])
    if not meant:
        raise StoreError(f"there is no live key {quoted(ref)}{suggest(close_matches(ref, [key.name for key in live]))}")
    if len(meant) > 1:
        choices = ", ".join(f"{key.id} ({key.name!r})" for key in meant)
        raise StoreError(f"{ref!r} means several keys: say which by its id: {choices}")
    return meant[0]


def digest(store: Store, shown: str) -> bytes:
    """Return the digest of a key that a client presented, for the lookup among the keys of a config."""
    return store.digest(shown)


def uses(store: Store) -> dict[str, tuple[float, str]]:
    """Return the time and the client address of the last use of each key, by key id."""
    return {row["key"]: (row["at"], row["source"]) for row in store.rows(KeyUses.select())}


def save_uses(store: Store, used: Mapping[str, tuple[float, str]]) -> None:
    """Store the time and the client address of the last use of keys; repeating the call has no effect."""
    with store.change():
        store.run_many(
            "insert or replace into key_uses (key, at, source) values (?, ?, ?)",
            [(key, at, source) for key, (at, source) in used.items()],
        )


def _changed(key: Key, change: KeyEdit, now: float) -> Key:
    """Return a key with changes applied; raise StoreError for an invalid value."""
    made: dict[str, Any] = {}
    if change.name is not None:
        made["name"] = label(change.name, "a key")
    if change.allow is not None:
        made["allow"] = patterns(change.allow)
    if change.scopes is not None:
        made["scopes"] = _scopes(change.scopes)
    if change.expires_at is not None:
        if change.expires_at and change.expires_at <= now:
            raise StoreError("a key cannot expire in the past: `key revoke` ends one at once")
        made["expires_at"] = change.expires_at or None
    if change.ips is not None:
        made["ips"] = networks(*dict.fromkeys(network(text) for text in change.ips))
        if len(made["ips"].texts) > MOST_NETWORKS:
            raise StoreError(f"a key has at most {MOST_NETWORKS:,} networks")
    rpm, concurrency = key.limit.rpm, key.limit.concurrency
    if change.rpm is not None:
        rpm = _count("requests a minute", change.rpm)
    if change.concurrency is not None:
        concurrency = _count("the concurrency", change.concurrency)
    return replace(key, limit=Limit(rpm, None, concurrency), **made)


def _scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    said = set(texts)
    if bad := sorted(said - set(SCOPES)):
        raise StoreError(f"there is no scope {quoted(bad[0])}: say {' or '.join(SCOPES)}")
    if not said:
        raise StoreError(f"a key is for something: {' or '.join(SCOPES)}, or both")
    return tuple(scope for scope in SCOPES if scope in said)


def _count(name: str, value: int) -> int | None:
    if not 0 <= value <= MOST:
        raise StoreError(f"{name} cannot be {value}: it takes 1 to {MOST:,}, or 0 for no limit")
    return value or None


def _check_name(store: Store, key: Key) -> None:
    named = ApiKeys.select().where((ApiKeys.name == key.name) & ApiKeys.revoked_at.is_null() & (ApiKeys.id != key.id))
    if store.rows(named):
        raise StoreError(f"there is a key named {key.name!r} already: revoke it first or choose another name")


def _row(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "hint": key.hint,
        "allow": json.dumps(key.allow),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
        "scopes": json.dumps(key.scopes),
        "expires_at": key.expires_at,
        "ips": json.dumps(key.ips.texts),
        "rpm": key.limit.rpm,
        "concurrency": key.limit.concurrency,
    }
