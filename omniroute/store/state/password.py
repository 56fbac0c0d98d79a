"""The admin password, stored as an Argon2id hash."""

import secrets
from collections.abc import Mapping

from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.secrets import PASSWORD_VARIABLE, from_environment, is_known_to_all
from omniroute.store.db.state_tables import AdminSessions
from omniroute.store.db.tables import Meta

SHORTEST, LONGEST = 8, 200
MADE_OF = "abcdefghjkmnpqrstuvwxyz23456789"
"""Characters of generated passwords, without any that look alike."""
GROUPS, LETTERS = 4, 5
NAME = "password"

# The minimum that OWASP's password storage cheat sheet requires of Argon2id: a check takes about 20 ms and 19 MB.
MEMORY_KIB, ROUNDS, LANES = 19456, 2, 1


def check(text: str, *, what: str = "the password") -> str:
    """Return a password if it is acceptable; raise StoreError with the requirements otherwise."""
    if not SHORTEST <= len(text) <= LONGEST:
        raise StoreError(f"{what} takes {SHORTEST} to {LONGEST} characters, not {len(text)}")
    if is_known_to_all(text):
        raise StoreError(f"{what} stands in public guides: choose one of your own")
    return text


def put(store: Store, text: str) -> None:
    """Set the password and end all admin sessions. Raises StoreError for an unacceptable password."""
    hashed = _hash(check(text))
    with store.change():
        store.run(Meta.insert(name=NAME, value=hashed).on_conflict_replace())
        store.run(AdminSessions.delete())


def is_set(store: Store) -> bool:
    return _kept(store) is not None


def matches(store: Store, text: str) -> bool:
    """Return whether a text is the password. Takes the same time when no password is set."""
    import argon2  # not at the top: few commands need it

    kept = _kept(store)
    hasher = argon2.PasswordHasher(ROUNDS, MEMORY_KIB, LANES)
    try:
        right = hasher.verify(kept or _hash("of nobody"), text.encode("utf-8", "surrogatepass"))
    except argon2.exceptions.VerifyMismatchError:
        return False
    return kept is not None and right


def begin(store: Store, environ: Mapping[str, str]) -> str | None:
    """Set the password from the environment or a generated one, unless one is set already.

    Returns the generated password, to be shown once, else None. Raises StoreError for an unacceptable password.
    """
    if is_set(store):
        return None
    said = from_environment(environ, PASSWORD_VARIABLE)
    text = check(said, what=PASSWORD_VARIABLE) if said else generate()
    hashed = _hash(text)
    with store.change():
        if is_set(store):  # another process was first
            return None
        store.run(Meta.insert(name=NAME, value=hashed))
    return None if said else text


def generate() -> str:
    """Generate a password that can be read aloud and typed, with about 99 bits of entropy."""
    return "-".join("".join(secrets.choice(MADE_OF) for _ in range(LETTERS)) for _ in range(GROUPS))


def _hash(text: str) -> bytes:
    import argon2

    return argon2.PasswordHasher(ROUNDS, MEMORY_KIB, LANES).hash(text.encode("utf-8", "surrogatepass")).encode()


def _kept(store: Store) -> bytes | None:
    found = store.rows(Meta.select(Meta.value).where(Meta.name == NAME))
    return bytes(found[0]["value"]) if found else None
