"""Reasoning of the OpenAI Responses dialect: a readable summary, and content that only its provider can decrypt."""

from typing import Any

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.ir import Body, Reasoning

BETWEEN = "\n\n"
"""Separator between the parts of a summary when they are joined into one text."""


def text_of(item: Body) -> str:
    """Return the text of a reasoning item: its summary, or the reasoning itself as some providers send it."""
    parts = item.get("summary") or item.get("content") or []
    return BETWEEN.join(str(part.get("text") or "") for part in parts if isinstance(part, dict))


def read_reasoning(item: Body) -> Reasoning | None:
    """Read a reasoning item; None for an empty one."""
    text = text_of(item)
    signature, sealed, origin = read_signature(item.get("encrypted_content"))
    if origin == "responses" and not text:
        sealed = signature
    if sealed is not None:
        return Reasoning(sealed=sealed, origin=origin)
    return Reasoning(text, signature, origin=origin) if text or signature else None


def read_signature(value: Any) -> tuple[str | None, str | None, str | None]:
    """Return the signature, the sealed reasoning and their origin, from `encrypted_content`.

    At most one of the first two is not None; all three are None for an empty value.
    """
    if not isinstance(value, str) or not value:
        return None, None, None
    seal, origin, sealed = reasoning_signatures.unwrap(value, "responses")
    return (None, seal, origin) if sealed else (seal, None, origin)


def write_signature(part: Reasoning) -> str | None:
    """Return the `encrypted_content` that a client keeps; None if there is none.

    Reasoning without an origin has none either, as no provider would accept it back.
    """
    if part.origin is None:
        return None
    if part.sealed is not None:
        return reasoning_signatures.wrap(part.sealed, part.origin, "responses", sealed=True)
    return reasoning_signatures.wrap(part.signature, part.origin, "responses") if part.signature else None
