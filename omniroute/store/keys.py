"""Keys: what clients show us, kept as digests only."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import replace

from omniroute.routing.config import Key
from omniroute.routing.near import near
from omniroute.store import read
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.names import SHORTEST_ID_PREFIX, label, new_id, offer, patterns
from omniroute.store.tables import ApiKeys

MARK = "sk-omni-"
"""Every key begins so: a person who finds one sees what it opens, and `redact` knows it."""
RANDOM_BYTES = 32


def create(store: Store, name: str, allow: Iterable[str] = ()) -> tuple[Key, str]:
    """Make a key and return it with what the client must show, which is nowhere else and never seen again."""
    shown = MARK + secrets.token_urlsafe(RANDOM_BYTES)
    key = Key(
        id=new_id(),
        name=label(name, "a key"),
        digest=store.digest(shown),
        hint=shown[-4:],
        allow=patterns(allow),
        created_at=store.clock(),
    )
    with store.change():
        if any(known.name == name and known.revoked_at is None for known in read.keys(store)):
            raise StoreError(f"there is a key named {name!r} already: revoke it first or choose another name")
        store.run(
            ApiKeys.insert(
                id=key.id,
                name=key.name,
                digest=key.digest,
                hint=key.hint,
                allow=json.dumps(key.allow),
                created_at=key.created_at,
            )
        )
    return key, shown


def revoke(store: Store, ref: str) -> Key:
    """Make a live key open nothing any more: named by id, name or start of the id."""
    with store.change():
        live = [key for key in read.keys(store) if key.revoked_at is None]
        ways = (
            [key for key in live if key.id == ref or key.name == ref],
            [key for key in live if len(ref) >= SHORTEST_ID_PREFIX and key.id.startswith(ref)],
        )
        meant = next((found for found in ways if found), [])
        if not meant:
            raise StoreError(f"there is no live key {ref!r}{offer(near(ref, [key.name for key in live]))}")
        if len(meant) > 1:
            choices = ", ".join(f"{key.id} ({key.name!r})" for key in meant)
            raise StoreError(f"{ref!r} means several keys: say which by its id: {choices}")
        now = store.clock()
        store.run(ApiKeys.update(revoked_at=now).where(ApiKeys.id == meant[0].id))
    return replace(meant[0], revoked_at=now)


def digest(store: Store, shown: str) -> bytes:
    """Digest what a client showed, to be looked up among the keys of a config."""
    return store.digest(shown)
