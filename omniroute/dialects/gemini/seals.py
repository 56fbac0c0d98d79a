"""Thought signatures: Gemini's own, and those of other providers under Gemini's name.

A client gives a signature back as it came, whoever made it. So the signature of another provider tells its
origin, and only that provider gets it back.
"""

import base64
import binascii
import re

from omniroute.dialects.ir import Reasoning

MARK = re.compile(r"omniroute/([a-z]*)/(signature|sealed)/(.*)", re.DOTALL)


def wrap(reasoning: Reasoning) -> str | None:
    """Give what is said as the thought signature of this reasoning."""
    kind, value = ("signature", reasoning.signature) if reasoning.sealed is None else ("sealed", reasoning.sealed)
    if not value:
        return None
    if reasoning.origin == "gemini" and kind == "signature":
        return value
    text = f"omniroute/{reasoning.origin or ''}/{kind}/{value}"
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def unwrap(text: str, signature: str) -> Reasoning:
    """Give the reasoning that a thought and its signature are."""
    try:
        found = MARK.fullmatch(base64.b64decode(signature, validate=True).decode())
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        return Reasoning(text, signature, origin="gemini")
    origin, kind, value = found.groups()
    if kind == "sealed":
        return Reasoning(text, sealed=value, origin=origin or None)
    return Reasoning(text, value, origin=origin or None)
