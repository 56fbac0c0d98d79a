"""Thought signatures: Gemini's own, and those of other providers wrapped in Gemini's field.

A client sends any signature back unchanged. A signature of another provider therefore names its origin, and only that
provider gets it back. Gemini CLI omits thoughts from what it sends back and keeps calls unchanged: a foreign
signature is therefore also put on the call that follows the thought, with the text of the thought.
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
"""Prefix of every wrapped signature of another provider."""
WEB_SAFE = str.maketrans("-_", "+/")
"""Translation from web-safe base64, which Google's libraries write, to standard base64."""


def wrap(thoughts: Sequence[Reasoning]) -> str | None:
    """Return the thought signature that wraps this reasoning of other providers; None if none of it is signed."""
    told = [[part.origin, part.text, part.signature, part.sealed] for part in thoughts if part.signature or part.sealed]
    return base64.b64encode(MARK + dump(told)).decode() if told else None


def unwrap(signature: str) -> list[Reasoning] | None:
    """Return the reasoning of other providers wrapped in a thought signature; None for one of Google's own."""
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
    """Placement of each reasoning signature: on its thought, on the call that follows it, or on an empty text part."""

    def __init__(self) -> None:
        self._call = ""
        self._foreign: list[Reasoning] = []

    def rest(self) -> Body | None:
        """Return an empty text part with a signature that no call followed; None if there is none."""
        return {"text": "", "thoughtSignature": self._call} if self._call else None

    def take(self, part: Reasoning) -> Body | None:
        """Take a complete reasoning part; return a part with its signature but without the text of the thought.

        Return None if the part has no signature or if it belongs on the next call.
        """
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
        """Return the call with the signature taken for it."""
        seal = self._call or wrap(self._foreign)
        self._call = ""
        self._foreign.clear()
        return call | {"thoughtSignature": seal} if seal else call


def _thought(seal: str | None) -> Body:
    return {"text": "", "thought": True, "thoughtSignature": seal}
