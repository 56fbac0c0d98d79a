"""Find and remove keys in the path and query of a request.

URLs are stored in logs, histories and flows, so anything that may be a key is removed. Only the query parameter `key`
is used as a key, as the Gemini API documents it; values under other names are removed and ignored.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

KEY_NAME = "key"
"""The one documented query parameter that carries a key."""
NAMES = frozenset({
    "key", "apikey", "api_key", "x_api_key", "x_goog_api_key", "access_key", "access_token", "accesstoken",
    "auth_token", "authtoken", "api_token", "apitoken", "token", "id_token", "refresh_token", "bearer", "auth",
    "authorization", "client_secret", "secret", "password",
})  # fmt: skip
"""Query parameters to remove, in lower case and with underscores."""
MARK = "sk-omni-"
"""The prefix of every gateway key."""
PLACEHOLDER = "hidden-key"
DECODINGS = 4
"""Levels of percent-encoding to decode."""
SEPARATOR = re.compile("([&;])")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A request target without keys."""

    path: str
    query: str
    keys: tuple[str, ...] = ()
    """Values of the documented query parameter."""
    misplaced: bool = False
    """Whether a gateway key was found in a place where keys are not read."""


def clean(path: str, query: str) -> Cleaned:
    """Remove everything from path and query that may be a key. All other bytes stay as they are."""
    misplaced = _holds_key(path)
    if misplaced:
        path = "/".join(PLACEHOLDER if _holds_key(part) else part for part in path.split("/"))
    if not query:
        return Cleaned(path, query, (), misplaced)
    pieces = SEPARATOR.split(query)
    kept: list[str] = []
    keys: list[str] = []
    for at in range(0, len(pieces), 2):
        piece, separator = pieces[at], pieces[at - 1] if at else ""
        name, _, value = piece.partition("=")
        if _decode(name).strip().lower().replace("-", "_") in NAMES:
            if unquote_plus(name, errors="surrogateescape") == KEY_NAME:
                keys.append(unquote_plus(value, errors="surrogateescape"))
            elif _holds_key(piece):
                misplaced = True
        elif _holds_key(piece):
            misplaced = True
        else:
            kept += (separator, piece) if kept else (piece,)
    return Cleaned(path, "".join(kept), tuple(key for key in keys if key), misplaced)


def _holds_key(text: str) -> bool:
    return ("%" in text or "-" in text) and MARK in _decode(text).lower()


def _decode(text: str) -> str:
    for _ in range(DECODINGS):
        decoded = unquote_plus(text, errors="replace")
        if decoded == text:
            break
        text = decoded
    return text
