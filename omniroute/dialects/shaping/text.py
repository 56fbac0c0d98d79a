"""Putting a text before another, once: a request that passes two gateways bears it once too."""

from typing import Any

from omniroute.dialects.ir import Body


def before(prompt: str, text: str) -> str:
    """Put a prompt before a text, with a blank line between them."""
    return text if text.startswith(prompt) else f"{prompt}\n\n{text}" if text else prompt


def part_before(parts: list[Any], part: Body) -> list[Any]:
    """Put a part before the others."""
    first = parts[0] if parts else None
    return parts if isinstance(first, dict) and first.get("text") == part["text"] else [part, *parts]
