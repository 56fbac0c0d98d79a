"""Admin authentication: the admin token of the data directory, and sessions of logins with the password."""

import hmac
import secrets
from hashlib import sha256

from omniroute.access.client_address import BROWSER_MARK
from omniroute.store.db.database import Store
from omniroute.store.db.secrets import hmac_sha256
from omniroute.store.db.state_tables import AdminSessions
from omniroute.store.db.tables import Meta

TOKEN_MARK = "sk-omni-admin-"
"""Prefix of admin tokens, by which `redact` recognizes them, as it does gateway keys."""
TOKEN = "admin_token"
LASTS = 7 * 86400.0
"""Lifetime of a session in seconds."""
MOST = 100
"""Maximum number of sessions; the oldest are deleted."""
RANDOM_BYTES = 32
BROWSER_BYTES = 12
BROWSER_LASTS = 365 * 86400.0
"""Seconds for which a browser is recognized after a login."""


def token(store: Store) -> str:
    """Return the admin token; create it if missing. It is encrypted like credentials."""
    with store.change():
        if (kept := kept_token(store)) is not None:
            return kept
        return rotate(store)


def rotate(store: Store) -> str:
    """Replace the admin token and return the new one; the old one stops working."""
    made = TOKEN_MARK + secrets.token_urlsafe(RANDOM_BYTES)
    with store.change():
        store.run(Meta.insert(name=TOKEN, value=store.vault.seal(made, TOKEN)).on_conflict_replace())
    return made


def is_token(store: Store, shown: str) -> bool:
    """Return whether a text is the admin token, compared in constant time."""
    kept = kept_token(store)
    return kept is not None and hmac.compare_digest(_digest(kept), _digest(shown))


def begin(store: Store) -> str:
    """Create a session and return the value of its cookie."""
    made, now = secrets.token_urlsafe(RANDOM_BYTES), store.clock()
    with store.change():
        store.run(AdminSessions.delete().where(AdminSessions.expires_at <= now))
        newest = AdminSessions.select(AdminSessions.digest).order_by(AdminSessions.created_at.desc()).limit(MOST - 1)
        store.run(AdminSessions.delete().where(AdminSessions.digest.not_in(newest)))
        store.run(AdminSessions.insert(digest=_digest(made), created_at=now, expires_at=now + LASTS))
    return f"{made}.{_signature(store, made)}"


def is_live(store: Store, cookie: str) -> bool:
    """Return whether a cookie belongs to a session that has neither ended nor expired."""
    if (session := _session(store, cookie)) is None:
        return False
    query = AdminSessions.select().where(
        AdminSessions.digest == _digest(session), AdminSessions.expires_at > store.clock()
    )
    return bool(store.rows(query))


def end(store: Store, cookie: str) -> None:
    """End the session of a cookie; other sessions are not affected."""
    if session := _session(store, cookie):
        with store.change():
            store.run(AdminSessions.delete().where(AdminSessions.digest == _digest(session)))


def remember_browser(store: Store) -> str:
    """Return the value of a cookie that proves an earlier login from this browser."""
    made = secrets.token_urlsafe(BROWSER_BYTES)
    return f"{made}.{_browser_signature(store, made)}"


def known_browser(store: Store, cookie: str) -> str:
    """Return the identifier under which failed logins of a browser are counted; empty if the cookie is not valid."""
    made, _, signature = cookie.rpartition(".")
    ours = hmac.compare_digest(_browser_signature(store, made).encode(), signature.encode("utf-8", "surrogatepass"))
    return BROWSER_MARK + made if made and ours else ""


def _browser_signature(store: Store, browser: str) -> str:
    return hmac_sha256(store.vault.derive("browsers"), browser).hex()


def _session(store: Store, cookie: str) -> str | None:
    """Return the session id in a cookie with a valid signature, else None; forged cookies cause no database query."""
    session, _, signature = cookie.rpartition(".")
    ours = hmac.compare_digest(_signature(store, session).encode(), signature.encode("utf-8", "surrogatepass"))
    return session if session and ours else None


def _signature(store: Store, session: str) -> str:
    return hmac_sha256(store.session_key, session).hex()


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def kept_token(store: Store) -> str | None:
    """Return the admin token, or None if none exists. Raises StoreError when it cannot be decrypted."""
    found = store.rows(Meta.select(Meta.value).where(Meta.name == TOKEN))
    return store.vault.unseal(bytes(found[0]["value"]), TOKEN) if found else None
