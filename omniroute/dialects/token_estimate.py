"""How many tokens a request may be, by the length of what it says: for clients that only want to know roughly."""

import re
from typing import Any

LATIN = 4
"""Characters of a token in languages that are written with letters."""
PICTURE = 1500
"""Tokens of a picture of usual size; what it is encoded as says nothing about it."""
NOISE = frozenset({"data", "image_url", "signature", "encrypted_content", "thoughtSignature", "thought_signature"})
"""Keys whose values are no text: pictures, files, seals."""
PICTURES = frozenset({"data", "image_url", "fileUri", "file_uri"})
WIDE = re.compile("[\u2e80-\U0010ffff]+")
"""Where a character is a word or half of one."""
PER_ENTRY = 2
"""Tokens that the frame of an object costs: role marks, separators."""


def estimate_tokens(value: Any) -> int:
    """Estimate the tokens of any part of a request body. Walks without recursion: bodies are as deep as they like."""
    count = 0
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str(text):
                count += _of_text(text)
            case dict(fields):
                count += PER_ENTRY
                for name, inner in fields.items():
                    if name in PICTURES:
                        count += PICTURE
                    elif name not in NOISE:
                        count += _of_text(str(name))
                        waiting.append(inner)
            case list(items):
                waiting += items
            case None | bool():
                pass
            case number:
                count += len(str(number)) // LATIN + 1
    return count


def _of_text(text: str) -> int:
    if text.isascii():
        return -(-len(text) // LATIN)
    wide = len(text) - len(WIDE.sub("", text))
    return wide + -(-(len(text) - wide) // LATIN)
