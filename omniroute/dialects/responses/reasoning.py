"""Reasoning of OpenAI Responses: a summary for people, and a seal that only its provider can read."""

from typing import Any

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.ir import Body, Reasoning

BETWEEN = "\n\n"
"""What stands between two parts of a summary where they become one text."""


def text_of(item: Body) -> str:
    """Give the text of an item: its summary, or what some providers show of the reasoning itself."""
    parts = item.get("summary") or item.get("content") or []
    return BETWEEN.join(str(part.get("text") or "") for part in parts if isinstance(part, dict))


def read_reasoning(item: Body) -> Reasoning | None:
    """Read an item; None for one that says nothing."""
    text = text_of(item)
    signature, sealed, origin = read_signature(item.get("encrypted_content"))
    if origin == "responses" and not text:
        sealed = signature
    if sealed is not None:
        return Reasoning(sealed=sealed, origin=origin)
    return Reasoning(text, signature, origin=origin) if text or signature else None


def read_signature(value: Any) -> tuple[str | None, str | None, str | None]:
    """Give the signature or the sealed reasoning, and whose it is."""
    if not isinstance(value, str) or not value:
        return None, None, None
    seal, origin, sealed = reasoning_signatures.unwrap(value, "responses")
    return (None, seal, origin) if sealed else (seal, None, origin)


def write_signature(part: Reasoning) -> str | None:
    """Give the seal as a client keeps it; one of unknown origin would be taken back by no one."""
    if part.origin is None:
        return None
    if part.sealed is not None:
        return reasoning_signatures.wrap(part.sealed, part.origin, "responses", sealed=True)
    return reasoning_signatures.wrap(part.signature, part.origin, "responses") if part.signature else None
