"""Removal of thoughts that Google did not sign from a conversation.

If an upstream of another dialect answered a turn, the client received its reasoning signatures wrapped in a thought
signature of the gateway, and sends them back in the next turn. Google rejects a body with such a signature.
"""

from omniroute.dialects.gemini import capabilities
from omniroute.dialects.gemini.read_contents import UNCHECKED
from omniroute.dialects.gemini.reasoning_signatures import BEGINNING
from omniroute.dialects.ir import Body

SIGNATURES = ("thoughtSignature", "thought_signature")
SUSPECT = BEGINNING.encode()


def without_foreign_thinking(raw: bytes, body: Body, model: str) -> Body | None:
    """Return the body without the signatures that Google would reject; None if there are none."""
    if SUSPECT not in raw or not isinstance(contents := body.get("contents"), list):
        return None
    kept = [_without(content, capabilities.checks_signatures(model)) for content in contents]
    return None if kept == contents else body | {"contents": [content for content in kept if content is not None]}


def _without(content: object, checked: bool) -> object:
    """Return a turn without foreign thoughts and without foreign signatures on its calls; None if nothing is left."""
    if not isinstance(content, dict) or not isinstance(parts := content.get("parts"), list):
        return content
    if not any(map(_is_foreign, parts)):
        return content
    kept = [_strip(part, checked) if _is_foreign(part) else part for part in parts]
    left = [part for part in kept if part is not None]
    return {**content, "parts": left} if left else None


def _is_foreign(part: object) -> bool:
    return isinstance(part, dict) and any(str(part.get(key)).startswith(BEGINNING) for key in SIGNATURES)


def _strip(part: Body, checked: bool) -> Body | None:
    if part.get("thought") is True:
        return None
    bare = {key: value for key, value in part.items() if key not in SIGNATURES}
    return bare | {"thoughtSignature": UNCHECKED[0]} if checked and "functionCall" in bare else bare
