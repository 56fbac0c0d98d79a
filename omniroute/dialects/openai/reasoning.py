"""Reasoning fields that providers add to Chat Completions messages; they are no part of the dialect itself.

`reasoning_content` (or `reasoning`) holds the text. `reasoning_details` holds signatures and encrypted reasoning, so
that a client that returns an assistant message unchanged returns these too.
"""

from typing import Any

from omniroute.dialects.ir import Body, Reasoning
from omniroute.dialects.openai import capabilities
from omniroute.dialects.reasoning_signatures import CALL, TEXT
from omniroute.dialects.validate import objects, optional

FORMATS = {"anthropic-claude-v1": "claude", "openai-responses-v1": "responses", "google-gemini-v1": "gemini"}
ORIGINS = {origin: name for name, origin in FORMATS.items()}


def read_reasoning(message: Body, path: str) -> list[Reasoning]:
    """Read the reasoning of an assistant message. Raise BadRequest for a field of the wrong type."""
    text = optional(message, "reasoning_content", str, path) or optional(message, "reasoning", str, path)
    found: list[Reasoning] = []
    details = optional(message, "reasoning_details", list, path) or []
    for detail, where in objects(details, f"{path}.reasoning_details"):
        origin = FORMATS.get(str(detail.get("format")))
        match detail.get("type"):
            case "reasoning.text":
                said = optional(detail, "text", str, where) or ""
                signature = optional(detail, "signature", str, where) or None
                found.append(Reasoning(said, signature, origin=origin if signature else None))
            case "reasoning.summary":
                found.append(Reasoning(optional(detail, "summary", str, where) or ""))
            case "reasoning.encrypted":
                found.append(read_encrypted(optional(detail, "data", str, where) or "", origin))
    if text and not any(part.text for part in found):
        found.insert(0, Reasoning(text))
    return found


def read_encrypted(data: str, origin: str | None) -> Reasoning:
    """Read encrypted reasoning; for Gemini through OpenRouter, it is the signature of the tool call that follows."""
    if origin == "gemini":
        return Reasoning(signature=CALL + data, origin=origin)
    return Reasoning(sealed=data, origin=origin)


def write_reasoning(parts: list[Reasoning]) -> Body:
    """Return the message fields that hold this reasoning."""
    body: Body = {}
    if text := "".join(part.text for part in parts):
        body["reasoning_content"] = text
    if any(part.signature or part.sealed for part in parts):
        body["reasoning_details"] = [detail(part, index) for index, part in enumerate(parts)]
    return body


def detail(part: Reasoning, index: int) -> dict[str, Any]:
    if part.sealed is not None:
        body: Body = {"type": "reasoning.encrypted", "data": part.sealed, "index": index}
    else:
        body = {"type": "reasoning.text", "text": part.text, "signature": part.signature, "index": index}
    return body | ({"format": ORIGINS[part.origin]} if part.origin in ORIGINS else {})


def piece(text: str, index: int) -> dict[str, Any]:
    """Return an unsigned item of `reasoning_details`.

    Clients merge the items of one index, so the signature may follow in a later one.
    """
    return {"type": "reasoning.text", "text": text, "index": index}


def split_content(content: Any) -> tuple[str, str]:
    """Split the content of a reply into reasoning and text; one provider sends both as parts of one list.

    Raise ValueError for content of any other shape.
    """
    if content is None:
        return "", ""
    if isinstance(content, str):
        return "", content
    if not isinstance(content, list):
        raise ValueError(f"content is no text, but {type(content).__name__}")
    reasoning = text = ""
    for part in content:
        match part:
            case {"type": "text", "text": str(said)}:
                text += said
            case {"type": "thinking", "thinking": thought}:
                reasoning += split_content(thought)[1]
            case _:
                raise ValueError("a part of content that is neither text nor thinking")
    return reasoning, text


def read_call_signature(call: Body) -> Reasoning | None:
    """Read the reasoning signature on a tool call, as a reasoning part that precedes the call; None without one."""
    seal = _read(call)
    return Reasoning(signature=CALL + seal, origin="gemini") if seal else None


def read_text_signature(message: Body) -> Reasoning | None:
    """Read the reasoning signature on the text of a message; None without one."""
    seal = _read(message)
    return Reasoning(sealed=TEXT + seal, origin="gemini") if seal else None


def _read(holder: Body) -> str | None:
    match holder.get("extra_content"):
        case {"google": {"thought_signature": str(seal)}}:
            return seal
        case _:
            return None


def find(part: Reasoning, kind: str) -> str | None:
    """Return the signature held for a tool call (`kind` CALL) or for the text (TEXT); None without one."""
    seal = part.signature if part.sealed is None else part.sealed
    return seal.removeprefix(kind) if part.origin == "gemini" and seal and seal.startswith(kind) else None


def write_signature(seal: str | None) -> Body:
    return {"extra_content": {"google": {"thought_signature": seal}}} if seal else {}


class SignatureCollector:
    """Collector of one message's reasoning signatures, which attaches them to their tool call or text."""

    def __init__(self, model: str) -> None:
        self.said: Body = {}
        """Signature fields of the message itself."""
        self._google, self._openrouter = capabilities.is_at_google(model), capabilities.is_gemini_at_openrouter(model)
        self._call: str | None = None

    def take(self, part: Reasoning) -> bool:
        """Take over a signature; return False if the model accepts none of this kind."""
        if self._google and (seal := find(part, TEXT)):
            self.said |= write_signature(seal)
        elif (self._google or self._openrouter) and (seal := find(part, CALL)):
            self._call = seal
        else:
            return False
        return True

    def sign(self, call: Body) -> Body:
        """Return the tool call with its collected signature.

        At OpenRouter the signature goes into `reasoning_details` of the message instead.
        """
        seal, self._call = self._call, None
        if seal is None:
            return call
        if self._google:
            return call | write_signature(seal)
        details = self.said.setdefault("reasoning_details", [])
        detail = {"type": "reasoning.encrypted", "data": seal, "id": call["id"], "format": ORIGINS["gemini"]}
        details.append(detail | {"index": len(details)})
        return call
