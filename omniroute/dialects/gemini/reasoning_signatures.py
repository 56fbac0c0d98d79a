"""Thought signatures: Gemini's own, and those of other providers under Gemini's name.

A client gives a signature back as it came, whoever made it. So the signature of another provider tells its
origin, and only that provider gets it back. Gemini CLI leaves thoughts out of what it gives back and keeps calls
as they came: a foreign signature therefore stands on the call that follows the thought, too, thought included.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace

import orjson

from omniroute.dialects.ir import Body, Reasoning
from omniroute.dialects.json_edit import dump
from omniroute.dialects.reasoning_signatures import CALL, TEXT

MARK = b"omniroute/"
BEGINNING = base64.b64encode(MARK)[:12].decode()
"""What the signature of another provider begins with, whatever follows."""
WEB_SAFE = str.maketrans("-_", "+/")
"""Google's libraries write bytes as web-safe base64."""


def wrap(thoughts: Sequence[Reasoning]) -> str | None:
    """Give the thought signature that holds this reasoning of other providers; None where none of it is sealed."""
    told = [[part.origin, part.text, part.signature, part.sealed] for part in thoughts if part.signature or part.sealed]
    return base64.b64encode(MARK + dump(told)).decode() if told else None


def unwrap(signature: str) -> list[Reasoning] | None:
    """Give the reasoning of other providers that a thought signature holds; None for one of Google's own."""
    if not signature.startswith(BEGINNING):
        return None
    try:
        told = orjson.loads(base64.b64decode(signature.translate(WEB_SAFE), validate=True).removeprefix(MARK))
        return [_read(entry) for entry in told]
    except (binascii.Error, ValueError, TypeError):
        return None


def _read(entry: object) -> Reasoning:
    match entry:
        case [str() | None as origin, str(text), str() | None as signature, str() | None as sealed]:
            return Reasoning(text, signature, sealed, origin)
        case _:
            raise ValueError("not what stands in a signature of ours")


class Signer:
    """Puts each seal where it belongs: on the thought, on the call that follows it, or on a text of its own."""

    def __init__(self) -> None:
        self._call = ""
        self._foreign: list[Reasoning] = []

    def rest(self) -> Body | None:
        """Give a text of its own for the seal that has not found its call."""
        return {"text": "", "thoughtSignature": self._call} if self._call else None

    def take(self, part: Reasoning) -> Body | None:
        """Take reasoning when it is whole; give the part that bears its seal, but for the text of the thought."""
        seal = part.signature if part.sealed is None else part.sealed
        if not seal:
            return None
        if part.origin != "gemini":
            self._foreign.append(part)
            return _thought(wrap([replace(part, text="")]))
        if seal.startswith(CALL):
            self._call = seal.removeprefix(CALL)
            return None
        if seal.startswith(TEXT):
            return {"text": "", "thoughtSignature": seal.removeprefix(TEXT)}
        return _thought(seal)

    def sign(self, call: Body) -> Body:
        """Give a call with the seal that was taken for it."""
        seal = self._call or wrap(self._foreign)
        self._call = ""
        self._foreign.clear()
        return call | {"thoughtSignature": seal} if seal else call


def _thought(seal: str | None) -> Body:
    return {"text": "", "thought": True, "thoughtSignature": seal}
