"""Persistence of lockouts across restarts, and unlocking from another process."""

import json
from collections.abc import Mapping

from omniroute.access.lockouts import MAX_IDENTIFIERS, Lockout
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows as config
from omniroute.store.config.validation import quoted, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.state_tables import Lockouts
from omniroute.store.db.tables import Settings

UNLOCKS = "unlocks"
NOTICED = 60.0
"""Seconds after which a running gateway has certainly processed an unlock."""
EVERYBODY = "*"


def load(store: Store) -> dict[str, Lockout]:
    """Return the saved lockouts by identifier, `MAX_IDENTIFIERS` at most."""
    query = Lockouts.select().order_by(Lockouts.at.desc()).limit(MAX_IDENTIFIERS)
    return {
        row["identifier"]: Lockout(row["failures"], row["at"], row["until"], row["locked"]) for row in store.rows(query)
    }


def save(store: Store, changes: Mapping[str, Lockout | None]) -> None:
    """Store changes; repeating the call has no effect."""
    with store.change():
        store.run_many(
            "insert or replace into lockouts (identifier, failures, at, until, locked) values (?, ?, ?, ?, ?)",
            [(name, each.failures, each.at, each.until, each.locked) for name, each in changes.items() if each],
        )
        store.run_many(
            "delete from lockouts where identifier = ?", [(name,) for name, each in changes.items() if each is None]
        )


def unlock(store: Store, name: str) -> list[str]:
    """Delete the lockout of an identifier, or all with `*`, notify a running gateway, and return the identifiers.

    Raises StoreError when the identifier is not locked.
    """
    with store.change():
        held = list(load(store))
        found = held if name == EVERYBODY else [each for each in held if each == name]
        if not found and name != EVERYBODY:
            raise StoreError(f"{quoted(name)} is not locked{suggest(close_matches(name, held))}")
        gone = Lockouts.delete()
        store.run(gone if name == EVERYBODY else gone.where(Lockouts.identifier == name))
        now = store.clock()
        lately = [each for each in config.settings(store).get(UNLOCKS, []) if now - NOTICED < each[0] <= now]
        store.run(Settings.delete().where(Settings.name == UNLOCKS))
        store.run(Settings.insert(name=UNLOCKS, value=json.dumps([*lately[-100:], [now, name]])))
    return found
