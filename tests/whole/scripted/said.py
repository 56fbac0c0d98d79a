"""The good reply to a request, whole or as frames, and how frames are sent."""

import asyncio
import json
from collections.abc import Iterable

from scripted import frames as wire
from scripted import replies
from scripted.talk import Talk

SSE, JSON = "text/event-stream; charset=utf-8", "application/json"


def frames(talk: Talk, words: Iterable[str] | None = None) -> wire.Frames:
    asked = talk.request
    text = replies.words(replies.text(asked.model)) if words is None else words
    return wire.reply(asked.dialect, asked.model, text, usage=asked.stream_usage)


def whole(talk: Talk, text: str | None = None) -> bytes:
    asked = talk.request
    if asked.path.endswith("/models"):
        return json.dumps(replies.models(asked.dialect)).encode()
    if asked.path.endswith("/count_tokens"):
        return json.dumps({"input_tokens": replies.INPUT}).encode()
    body = replies.whole(asked.dialect, asked.model, replies.text(asked.model) if text is None else text)
    return json.dumps(body).encode()


def pieces(talk: Talk) -> list[bytes]:
    """Give the reply as it was asked for: every frame of the stream, or the body in one piece."""
    return [frame for part in frames(talk) for frame in part] if talk.request.stream else [whole(talk)]


def content_type(talk: Talk) -> str:
    return SSE if talk.request.stream else JSON


async def say(talk: Talk, frames: Iterable[bytes], *, pause: float = 0) -> None:
    for frame in frames:
        await talk.send(frame)
        await asyncio.sleep(pause)  # zero still lets the socket take each event on its own
