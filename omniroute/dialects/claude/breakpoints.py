"""Marks up to which Anthropic caches a prompt, for clients whose dialects have none: elsewhere caching goes by itself.

A mark costs a quarter more for what is written to the cache, and saves nine tenths of what is read from it again.
So only requests get them that look as if there will be a next one: of a conversation under way, or with tools.
(https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching)
"""

from collections.abc import Iterator
from typing import Any

from omniroute.dialects.ir import Body

MARK = {"type": "ephemeral"}
MOVING = 2
"""Marks that go along with the conversation: the one before the last is where the turn before has written to."""


def set_breakpoints(body: Body) -> None:
    """Mark the tools, the system prompt and the ends of the last turns of the user: the four that may be.

    A client that sets marks of its own knows better.
    """
    if any("cache_control" in holder for holder in _holders(body)):
        return
    turns = body["messages"]
    if not body.get("tools") and not any(turn["role"] == "assistant" for turn in turns):
        return
    blocks = [turn["content"][-1] for turn in turns if turn["role"] == "user"][-MOVING:]
    for key in ("tools", "system"):
        blocks += body.get(key, [])[-1:]
    for block in blocks:
        block["cache_control"] = MARK


def _holders(body: Body) -> Iterator[dict[str, Any]]:
    """Give all that may bear a mark."""
    yield body
    yield from body.get("tools", [])
    yield from body.get("system", [])
    for turn in body["messages"]:
        for block in turn["content"]:
            yield block
            if isinstance(inner := block.get("content"), list):
                yield from inner
