"""Reasoning in a conversation that OpenAI did not seal.

When an upstream of another dialect has answered a turn, its seals came to the client with our mark, and come back
with the next turn. OpenAI refuses a body with one of them, and with reasoning that has no seal and an id that it
does not know.
"""

import re

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.ir import Body
from omniroute.dialects.responses.reply import TOLD_BY_OTHERS

SUSPECT = re.compile(
    rb'"encrypted_content"\s*:\s*"(?:openai|claude|gemini)(?:\.sealed)?:|"' + TOLD_BY_OTHERS.encode("ascii")
)
"""What a body without a foreign seal never holds: most bodies are not looked at any further."""


def without_foreign_thinking(raw: bytes, body: Body, model: str) -> Body | None:
    """Give the body without the reasoning that OpenAI would refuse; None when there is none."""
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
