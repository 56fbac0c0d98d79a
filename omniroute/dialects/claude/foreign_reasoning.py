"""Removal of thinking that Anthropic did not sign from a conversation.

If an upstream of another dialect answered a turn, the client received its reasoning as a thinking block with the
gateway's mark or with an empty signature, and sends it back in the next turn. Anthropic rejects a body with such a
block.
"""

import re

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.ir import Body

SUSPECT = re.compile(rb'"signature"\s*:\s*""|"(?:signature|data)"\s*:\s*"(?:openai|responses|gemini)(?:\.sealed)?:')
"""Pattern that matches any body with a foreign block; most bodies do not match and need no further check."""
OWN_ID = "toolu_"
"""Prefix of the ids of Anthropic's own tool calls."""
THINKING = ("thinking", "redacted_thinking")


def without_foreign_thinking(raw: bytes, body: Body, model: str) -> Body | None:
    """Return the body without the thinking that Anthropic would reject; None if nothing has to be changed."""
    if not isinstance(messages := body.get("messages"), list):
        return None
    kept = [_without(message) for message in messages] if SUSPECT.search(raw) else messages
    if kept == messages:
        return _without_budget(body) if _began_elsewhere(body, messages) else None
    ours = body | {"messages": [message for message in kept if message is not None]}
    return _without_budget(ours) if _lacks_thinking(ours) else ours


def _began_elsewhere(body: Body, messages: list[object]) -> bool:
    """Return whether the tool calls being answered came from an upstream that returned no thinking at all.

    A turn by Anthropic starts with thinking, which is required of its first message only.
    """
    if not isinstance(thinking := body.get("thinking"), dict) or thinking.get("type") != "enabled":
        return False
    first: list[object] = []
    for message in reversed(messages):
        match message:
            case {"role": "assistant", "content": [*said]}:
                first = said
            case {"role": "user", "content": [*said]} if any(_kind(block) == "tool_result" for block in said):
                continue
            case _:
                break
    calls = [block for block in first if isinstance(block, dict) and _kind(block) == "tool_use"]
    return bool(calls) and _kind(first[0]) not in THINKING and not str(calls[0].get("id")).startswith(OWN_ID)


def _lacks_thinking(body: Body) -> bool:
    """Return whether tool calls without thinking before them are being answered.

    With a thinking budget, Anthropic rejects such a conversation.
    """
    match body:
        case {"thinking": {"type": "enabled"}, "messages": [*_, {"content": [*said]}, {"content": [*results]}]}:
            first, kinds = _kind(said[0]) if said else None, {_kind(block) for block in said}
            answers = any(_kind(block) == "tool_result" for block in results)
            return answers and "tool_use" in kinds and first not in THINKING
        case _:
            return False


def _without_budget(body: Body) -> Body:
    """Return the body without `thinking`, and without the `context_management` edits that clear thinking."""
    body = {key: value for key, value in body.items() if key != "thinking"}
    match body:
        case {"context_management": {"edits": [*edits]} as managed}:
            kept = [edit for edit in edits if not str(_kind(edit)).startswith("clear_thinking")]
            body["context_management"] = managed | {"edits": kept}
    return body


def _kind(block: object) -> object:
    return block.get("type") if isinstance(block, dict) else None


def _without(message: object) -> object:
    """Return a message without its foreign blocks; None if nothing is left."""
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
            return seal == "" or (isinstance(seal, str) and reasoning_signatures.unwrap(seal, "claude")[1] != "claude")
        case "redacted_thinking":
            seal = block.get("data")
            return isinstance(seal, str) and reasoning_signatures.unwrap(seal, "claude")[1] != "claude"
        case _:
            return False
