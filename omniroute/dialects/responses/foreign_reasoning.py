"""Removal of reasoning that OpenAI did not encrypt from a conversation.

If an upstream of another dialect answered a turn, the client received its signatures with the gateway's mark, and
sends them back in the next turn. OpenAI rejects a body with such a signature, and one with reasoning that has no
encrypted content and an unknown id.
"""

import re

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.ir import Body
from omniroute.dialects.responses.reply import TOLD_BY_OTHERS

SUSPECT = re.compile(
    rb'"encrypted_content"\s*:\s*"(?:openai|claude|gemini)(?:\.sealed)?:|"' + TOLD_BY_OTHERS.encode("ascii")
)
"""Pattern that matches any body with foreign reasoning; most bodies do not match and need no further check."""


def without_foreign_thinking(raw: bytes, body: Body, model: str) -> Body | None:
    """Return the body without the reasoning that OpenAI would reject; None if there is none."""
    if not SUSPECT.search(raw) or not isinstance(items := body.get("input"), list):
        return None
    kept = [item for item in items if not _is_foreign(item)]
    return body | {"input": kept} if len(kept) < len(items) else None


def _is_foreign(item: object) -> bool:
    match item:
        case {"type": "reasoning", "encrypted_content": str(seal)}:
            return reasoning_signatures.unwrap(seal, "responses")[1] != "responses"
        case {"type": "reasoning", "id": str(item_id)}:
            return item_id.startswith(TOLD_BY_OTHERS)
        case _:
            return False
