"""Who is let in to administer: with the admin token of this data directory, or logged in with the password."""

import hmac
import secrets
from hashlib import sha256

from omniroute.access.client_address import BROWSER_MARK
from omniroute.store.db.database import Store
from omniroute.store.db.secrets import hmac_sha256
from omniroute.store.db.state_tables import AdminSessions
from omniroute.store.db.tables import Meta

TOKEN_MARK = "sk-omni-admin-"
"""`redact` knows it by its beginning, as it knows the keys of clients."""
TOKEN = "admin_token"
LASTS = 7 * 86400.0
"""Seconds until a person has to log in again."""
MOST = 100
"""Sessions that are kept; the oldest go."""
RANDOM_BYTES = 32
BROWSER_BYTES = 12
BROWSER_LASTS = 365 * 86400.0
"""Seconds for which a browser is known after a log-in."""


def token(store: Store) -> str:
    """Give the admin token, made now if there is none. It is sealed as credentials are, with the key file's key."""
    with store.change():
        if (kept := kept_token(store)) is not None:
            return kept
        return rotate(store)


def rotate(store: Store) -> str:
    """Make another admin token and give it; the one before opens nothing any more."""
    made = TOKEN_MARK + secrets.token_urlsafe(RANDOM_BYTES)
    with store.change():
        store.run(Meta.insert(name=TOKEN, value=store.vault.seal(made, TOKEN)).on_conflict_replace())
    return made


def is_token(store: Store, shown: str) -> bool:
    """Tell whether this is the admin token, in a time that does not depend on what was shown."""
    kept = kept_token(store)
    return kept is not None and hmac.compare_digest(_digest(kept), _digest(shown))


def begin(store: Store) -> str:
    """Begin a session and give what the cookie has to say."""
    made, now = secrets.token_urlsafe(RANDOM_BYTES), store.clock()
    with store.change():
        store.run(AdminSessions.delete().where(AdminSessions.expires_at <= now))
        newest = AdminSessions.select(AdminSessions.digest).order_by(AdminSessions.created_at.desc()).limit(MOST - 1)
        store.run(AdminSessions.delete().where(AdminSessions.digest.not_in(newest)))
        store.run(AdminSessions.insert(digest=_digest(made), created_at=now, expires_at=now + LASTS))
    return f"{made}.{_signature(store, made)}"


def is_live(store: Store, cookie: str) -> bool:
    """Tell whether a cookie is that of a session that has neither ended nor expired."""
    if (session := _session(store, cookie)) is None:
        return False
    query = AdminSessions.select().where(
        AdminSessions.digest == _digest(session), AdminSessions.expires_at > store.clock()
    )
    return bool(store.rows(query))


def end(store: Store, cookie: str) -> None:
    """End a session; nothing else than its own cookie names it."""
    if session := _session(store, cookie):
        with store.change():
            store.run(AdminSessions.delete().where(AdminSessions.digest == _digest(session)))


def remember_browser(store: Store) -> str:
    """Return the value of a cookie that shows that a browser has logged in before."""
    made = secrets.token_urlsafe(BROWSER_BYTES)
    return f"{made}.{_browser_signature(store, made)}"


def known_browser(store: Store, cookie: str) -> str:
    """Return the name under which wrong log-ins of a browser count; empty where the cookie is not ours."""
    made, _, signature = cookie.rpartition(".")
    ours = hmac.compare_digest(_browser_signature(store, made).encode(), signature.encode("utf-8", "surrogatepass"))
    return BROWSER_MARK + made if made and ours else ""


def _browser_signature(store: Store, browser: str) -> str:
    return hmac_sha256(store.vault.derive("browsers"), browser).hex()


def _session(store: Store, cookie: str) -> str | None:
    """Give the session that a cookie names, where its signature is ours: what is forged costs no look at the disk."""
    session, _, signature = cookie.rpartition(".")
    ours = hmac.compare_digest(_signature(store, session).encode(), signature.encode("utf-8", "surrogatepass"))
    return session if session and ours else None


def _signature(store: Store, session: str) -> str:
    return hmac_sha256(store.session_key, session).hex()


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def kept_token(store: Store) -> str | None:
    """Give the admin token if there is one."""
    found = store.rows(Meta.select(Meta.value).where(Meta.name == TOKEN))
    return store.vault.unseal(bytes(found[0]["value"]), TOKEN) if found else None
