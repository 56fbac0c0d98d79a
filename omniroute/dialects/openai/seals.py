"""Google's seals beside Chat Completions, where its own OpenAI-compatible endpoint and OpenRouter have them.

Google says them in `extra_content`, of a call or, for its text, of the message
(https://ai.google.dev/gemini-api/docs/thought-signatures). OpenRouter says them in `reasoning_details`, where the id
names the call. Servers of other models may refuse either field, so only those of Gemini are shown one.
"""

from omniroute.dialects.ir import Body, Reasoning
from omniroute.dialects.openai import models
from omniroute.dialects.openai.reasoning import ORIGINS
from omniroute.dialects.seals import CALL, TEXT


def read_call_seal(call: Body) -> Reasoning | None:
    """Read the seal that a call bears, as the reasoning that stands before the call."""
    seal = _read(call)
    return Reasoning(signature=CALL + seal, origin="gemini") if seal else None


def read_text_seal(message: Body) -> Reasoning | None:
    """Read the seal on the text of a message."""
    seal = _read(message)
    return Reasoning(sealed=TEXT + seal, origin="gemini") if seal else None


def _read(holder: Body) -> str | None:
    match holder.get("extra_content"):
        case {"google": {"thought_signature": str(seal)}}:
            return seal
        case _:
            return None


def find(part: Reasoning, kind: str) -> str | None:
    """Give the seal that reasoning is, where it belongs on a call (CALL) or on the text (TEXT)."""
    seal = part.signature if part.sealed is None else part.sealed
    return seal.removeprefix(kind) if part.origin == "gemini" and seal and seal.startswith(kind) else None


def write_seal(seal: str | None) -> Body:
    return {"extra_content": {"google": {"thought_signature": seal}}} if seal else {}


class Seals:
    """Puts the seals of one message where they belong."""

    def __init__(self, model: str) -> None:
        self.said: Body = {}
        """Fields of the message itself."""
        self._google, self._openrouter = models.is_at_google(model), models.is_gemini_at_openrouter(model)
        self._call: str | None = None

    def take(self, part: Reasoning) -> bool:
        """Take a seal; False for one that has no place."""
        if self._google and (seal := find(part, TEXT)):
            self.said |= write_seal(seal)
        elif (self._google or self._openrouter) and (seal := find(part, CALL)):
            self._call = seal
        else:
            return False
        return True

    def sign(self, call: Body) -> Body:
        """Give a call with the seal that was taken for it."""
        seal, self._call = self._call, None
        if seal is None:
            return call
        if self._google:
            return call | write_seal(seal)
        details = self.said.setdefault("reasoning_details", [])
        detail = {"type": "reasoning.encrypted", "data": seal, "id": call["id"], "format": ORIGINS["gemini"]}
        details.append(detail | {"index": len(details)})
        return call
