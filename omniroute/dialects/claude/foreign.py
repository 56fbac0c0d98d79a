"""Thinking in a conversation that Anthropic did not sign.

When an upstream of another dialect has answered a turn, its reasoning came to the client as a thinking block with
our mark or with an empty signature, and comes back with the next turn. Anthropic refuses a body with such a block.
"""

import re

from omniroute.dialects import seals
from omniroute.dialects.ir import Body

SUSPECT = re.compile(rb'"signature"\s*:\s*""|"(?:signature|data)"\s*:\s*"(?:openai|responses|gemini)(?:\.sealed)?:')
"""What a body without a foreign block never holds: most bodies are not looked at any further."""


def without_foreign_thinking(raw: bytes, body: Body, model: str) -> Body | None:
    """Give the body without the thinking that Anthropic would refuse; None when there is none."""
    if not SUSPECT.search(raw) or not isinstance(messages := body.get("messages"), list):
        return None
    kept = [_without(message) for message in messages]
    if kept == messages:
        return None
    return body | {"messages": [message for message in kept if message is not None]}


def _without(message: object) -> object:
    """Give a message without its foreign blocks; None when nothing is left of it."""
    if not isinstance(message, dict) or not isinstance(blocks := message.get("content"), list):
        return message
    kept = [block for block in blocks if not _is_foreign(block)]
    if len(kept) == len(blocks):
        return message
    return {**message, "content": kept} if kept else None


def _is_foreign(block: object) -> bool:
    if not isinstance(block, dict):
        return False
    match block.get("type"):
        case "thinking":
            seal = block.get("signature")
            return seal == "" or (isinstance(seal, str) and seals.unwrap(seal, "claude")[1] != "claude")
        case "redacted_thinking":
            seal = block.get("data")
            return isinstance(seal, str) and seals.unwrap(seal, "claude")[1] != "claude"
        case _:
            return False
