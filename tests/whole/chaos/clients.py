"""Clients of every dialect that check each answer to its last character."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from chaos.targets import text_for

LEAVE_WITHIN = 0.05
"""Seconds after which the latest who leaves has left."""


@dataclass(frozen=True, slots=True)
class Question:
    """One exchange, as drawn by the dice."""

    nonce: int
    dialect: str
    model: str
    stream: bool
    leaves: float | None
    """Seconds after which the client hangs up; None stays."""

    @classmethod
    def draw(cls, nonce: int, seed: int, models: list[str]) -> "Question":
        dice = Random(f"{seed}/{nonce}")
        dialect = dice.choice(("openai", "claude", "responses", "gemini"))
        leaves = dice.random() * LEAVE_WITHIN if dice.random() < 0.04 else None
        return cls(nonce, dialect, dice.choice(models), dice.random() < 0.6, leaves)

    @property
    def path(self) -> str:
        match self.dialect:
            case "openai":
                return "/v1/chat/completions"
            case "claude":
                return "/v1/messages"
            case "responses":
                return "/v1/responses"
            case _:
                verb = "streamGenerateContent?alt=sse" if self.stream else "generateContent"
                return f"/v1beta/models/{self.model}:{verb}"

    @property
    def body(self) -> dict[str, Any]:
        said = f"say nonce-{self.nonce}"
        match self.dialect:
            case "gemini":
                return {"contents": [{"role": "user", "parts": [{"text": said}]}]}
            case "responses":
                return {"model": self.model, "input": said, "stream": self.stream, "store": False}
            case dialect:
                body = {"model": self.model, "messages": [{"role": "user", "content": said}], "stream": self.stream}
                return body | ({"max_tokens": 500} if dialect == "claude" else {})


def amiss(question: Question, reply: httpx.Response) -> str | None:
    """Say what is wrong with an answer; None when it is whole."""
    if reply.status_code != 200:
        return f"{reply.status_code}: {reply.text[:600]}"
    try:
        text = streamed(question.dialect, reply.text) if question.stream else whole(question.dialect, reply.json())
    except (KeyError, IndexError, ValueError, TypeError) as error:
        return f"{error!r} in {reply.text[-600:]}"
    return None if text == text_for(question.nonce) else f"another text: {text!r}, not {text_for(question.nonce)!r}"


def whole(dialect: str, body: Any) -> str:
    match dialect:
        case "openai":
            parts = [body["choices"][0]["message"]["content"]]
        case "claude":
            parts = [block["text"] for block in body["content"]]
        case "responses":
            parts = [part["text"] for item in body["output"] for part in item["content"]]
        case _:
            parts = [part["text"] for part in body["candidates"][0]["content"]["parts"]]
    return "".join(parts)


def streamed(dialect: str, wire: str) -> str:
    """Read the text of a stream; ValueError when its end is missing, or somebody says an error."""
    events = list(_data(wire))
    wire, _, _ = wire.partition(": resumed after ")
    match dialect:
        case "openai":
            if not wire.endswith("data: [DONE]\n\n"):
                raise ValueError("no [DONE]")
            return "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
        case "claude":
            if events[-1]["type"] != "message_stop":
                raise ValueError(f"it ends with {events[-1]}")
            return "".join(e["delta"]["text"] for e in events if e["type"] == "content_block_delta")
        case "responses":
            if events[-1]["type"] != "response.completed":
                raise ValueError(f"it ends with {events[-1]}")
            return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
        case _:
            if not events[-1]["candidates"][0].get("finishReason"):
                raise ValueError(f"it ends with {events[-1]}")
            parts = [e["candidates"][0].get("content", {}).get("parts", []) for e in events]
            return "".join(part.get("text", "") for each in parts for part in each)


def _data(wire: str) -> Iterator[Any]:
    for line in wire.split("\n"):
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line[6:])
