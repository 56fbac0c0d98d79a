"""Session affinity: recognize conversations, and route each to its last account, where its prompt cache is warm."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from omniroute.dialects.ir import Body
from omniroute.routing.plan import Stay

HEADERS = frozenset(
    (
        *(b"x-claude-code-session-id", b"session-id", b"session_id", b"x-session-id", b"x-session-affinity"),
        *(b"conversation-id", b"conversation_id"),
    )
)
"""Headers in which clients send a session id: Claude Code, Codex in two spellings, opencode in two."""
LOOKED_AT = 4096
"""Characters of the first user message to hash; they do not change while the conversation grows."""
MOST_PARTS = 1000
"""Maximum number of its content parts to visit."""
MOST = 10_000
"""Maximum number of conversations to remember."""
LASTS = 3600.0
"""Seconds after which a conversation is forgotten: the longest that a provider keeps a prompt cache."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    key: bytes
    known: bool
    """Whether it may have been served before: the request has a session id, or contains an answer."""


def session_key(owner: str, model: str, headers: Iterable[tuple[bytes, bytes]], body: Body) -> SessionKey | None:
    """Compute the key of a conversation, separate for each owner and model; None where nothing identifies it.

    Without a session id, a conversation is identified by its first user message. Conversations that start alike then
    share an account, which does no harm.
    """
    for name, value in headers:
        if value and name.lower() in HEADERS:
            return SessionKey(_digest(owner, model, value), known=True)
    if named := _named(body):
        return SessionKey(_digest(owner, model, named), known=True)
    turns = body.get("messages") or body.get("input") or body.get("contents")
    if not isinstance(turns, list):
        return None
    said = [turn for turn in turns if isinstance(turn, dict)]
    first = next((turn for turn in said if turn.get("role") == "user"), None)
    text = _text(first)
    if not text:
        return None
    answered = any(turn.get("role") in ("assistant", "model") or "call_id" in turn for turn in said)
    return SessionKey(_digest(owner, model, text.encode("utf-8", "surrogatepass")), known=answered)


def _named(body: Body) -> bytes | None:
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    for name in (body.get("prompt_cache_key"), user if isinstance(user, str) and "session" in user else None):
        if isinstance(name, str) and name:
            return name[:LOOKED_AT].encode("utf-8", "surrogatepass")
    return None


def _text(turn: Any) -> str:
    """Collect the text of a turn, without markers such as `cache_control` that move as the conversation grows."""
    found: list[str] = []
    waiting, room, looks = [turn], LOOKED_AT, MOST_PARTS
    while waiting and room > 0 and looks > 0:
        looks -= 1
        match waiting.pop():
            case str(text):
                found.append(text[:room])
                room -= len(text)
            case list(items):
                waiting += reversed(items[:looks])
            case dict(part):
                waiting += [part[name] for name in ("text", "parts", "content") if name in part]
            case _:
                pass
    return "\n".join(found)


def _digest(owner: str, model: str, named: bytes) -> bytes:
    return hashlib.blake2b(b"\0".join((owner.encode(), model.encode("utf-8", "surrogatepass"), named))).digest()[:16]


class Affinity:
    """The account that served each conversation last, for the most recent conversations."""

    def __init__(self) -> None:
        self._stays: OrderedDict[bytes, tuple[Stay | None, float, float]] = OrderedDict()
        """Conversation -> its account and target, when that expires, and since when it is known."""

    def stay(self, conversation: SessionKey | None, now: float) -> Stay | None:
        """Return where a conversation was served last, or None; `now` is on the monotonic clock."""
        if conversation is None or not conversation.known:
            return None
        stay, until, _ = self._stays.get(conversation.key, (None, 0.0, 0.0))
        return stay if now <= until else None

    def served(self, conversation: SessionKey | None, stay: Stay, now: float, *, began: float) -> None:
        """Record the account that served a conversation, by an attempt that began at `began`.

        Of several attempts the one that began last counts, and none that began before its account failed.
        """
        if conversation is None:
            return
        known, _, since = self._stays.get(conversation.key, (None, 0.0, began))
        if began < since and known != stay:
            return
        self._note(conversation.key, stay, now, max(began, since))

    def released(self, conversation: SessionKey | None, account: str, now: float) -> None:
        """Drop a conversation's affinity to an account that failed."""
        if conversation is None:
            return
        found = self._stays.get(conversation.key)
        if found and found[0] and found[0][0] == account:
            self._note(conversation.key, None, now, now)

    def _note(self, key: bytes, stay: Stay | None, now: float, since: float) -> None:
        self._stays[key] = (stay, now + LASTS, since)
        self._stays.move_to_end(key)
        if len(self._stays) > MOST:
            self._stays.popitem(last=False)
