"""Thoughts in a conversation that Google did not sign.

When an upstream of another dialect has answered a turn, its seals came to the client as thought signatures of ours,
and come back with the next turn. Google refuses a body with one of them.
"""

from omniroute.dialects.gemini import capabilities
from omniroute.dialects.gemini.read_contents import UNCHECKED
from omniroute.dialects.gemini.reasoning_signatures import BEGINNING
from omniroute.dialects.ir import Body

SIGNATURES = ("thoughtSignature", "thought_signature")
SUSPECT = BEGINNING.encode()


def without_foreign_thinking(raw: bytes, body: Body, model: str) -> Body | None:
    """Give the body without the signatures that Google would refuse; None when there is none."""
    if SUSPECT not in raw or not isinstance(contents := body.get("contents"), list):
        return None
    kept = [_without(content, capabilities.checks_signatures(model)) for content in contents]
    return None if kept == contents else body | {"contents": [content for content in kept if content is not None]}


def _without(content: object, checked: bool) -> object:
    """Give a turn without its foreign thoughts, and its calls without foreign signatures; None for nothing left."""
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
