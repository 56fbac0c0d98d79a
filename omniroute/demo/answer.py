"""What the pretend providers say, and how they count it."""

import uuid
from dataclasses import dataclass
from typing import Any

MAX_ECHO = 60
"""Characters of the question that are said back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The words of one reply. A token is a word here, so the counts are true in their own way."""

    words: tuple[str, ...]
    asked: int
    """Words in the whole request."""

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def said(self) -> int:
        return len(self.words)


def answer(who: str, body: dict[str, Any]) -> Answer:
    """Say who is speaking and a little of what was asked."""
    texts = [_text(message.get("content")) for message in body["messages"]]
    question = " ".join(texts[-1].split())
    if len(question) > MAX_ECHO:
        question = question[:MAX_ECHO].rstrip() + "…"
    said = (
        f"Hello, this is {who}, a pretend provider on your own machine. You asked: “{question}”. "
        "A real one would know the answer; I only know that your request came through."
    )
    first, *rest = said.split(" ")
    asked = sum(len(text.split()) for text in [*texts, _text(body.get("system"))])
    return Answer((first, *(f" {word}" for word in rest)), asked)


def new_id(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:24]}"


def validation_error(body: object) -> str | None:
    """Say what is wrong with a request body; None when it can be answered."""
    if not isinstance(body, dict):
        return "the body is not a JSON object"
    if not isinstance(body.get("model"), str):
        return "model: a text is required"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        return "messages: at least one is required"
    return None


def _text(content: object) -> str:
    """Read the text out of a content that may be a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""
