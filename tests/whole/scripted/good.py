"""Replies that are well, however oddly they come."""

import asyncio
import json
import zlib

from scripted import said, tools
from scripted.said import JSON, SSE
from scripted.talk import Talk


async def ok(talk: Talk, _: str = "", **headers: str) -> None:
    if not talk.request.stream:
        await talk.whole(200, said.whole(talk), JSON, headers)
        return
    await talk.start(200, {"content-type": SSE, **headers})
    await said.say(talk, said.pieces(talk))
    await talk.end()


async def spent(talk: Talk, seconds: str) -> None:
    """Answer, and say that no request is left for so many seconds."""
    left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": f"{seconds}s"}
    await ok(talk, **left)


LOUD = {
    "access-control-allow-origin": "*",
    "access-control-allow-credentials": "true",
    "set-cookie": "a=b",
    "strict-transport-security": "max-age=1",
    "x-frame-options": "ALLOWALL",
    "clear-site-data": "*",
    "location": "http://elsewhere.invalid/",
    "refresh": "0; url=http://elsewhere.invalid/",
    "www-authenticate": "Basic",
    "service-worker-allowed": "/",
    "alt-svc": 'h3=":443"',
    "link": "</x>; rel=preload",
    "x-listed": "1",
}
"""Headers of a reply that no client should see."""


async def loud(talk: Talk, _: str) -> None:
    """Answer, with headers that speak to browsers and some that clients need."""
    await ok(talk, **LOUD, **{"x-ratelimit-remaining-requests": "7", "openai-version": "2020-10-01", "cf-ray": "r-1"})


async def tool(talk: Talk, _: str) -> None:
    body, frames = tools.TOOLS[talk.request.dialect](talk.request.model)
    if not talk.request.stream:
        await talk.whole(200, json.dumps(body).encode(), JSON)
        return
    await talk.start(200, {"content-type": SSE})
    await said.say(talk, frames)
    await talk.end()


async def agent(talk: Talk, result: str) -> None:
    """Call the tool until its result is among what is asked."""
    await (ok if result.encode() in talk.request.body else tool)(talk, "")


async def embed(talk: Talk, seconds: str) -> None:
    """Wait, then say which words are in the text, as a vector: texts with the same words are near."""
    await asyncio.sleep(float(seconds or 0))
    numbers = [0.0] * 256
    for word in json.loads(talk.request.body)["input"].split():
        numbers[zlib.crc32(word.encode()) % 256] += 1.0
    said = {"data": [{"index": 0, "embedding": numbers}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    await talk.whole(200, json.dumps(said).encode(), JSON)


async def wait(talk: Talk, seconds: str) -> None:
    await asyncio.sleep(float(seconds))
    await ok(talk)


async def wait_headers(talk: Talk, seconds: str) -> None:
    await talk.start(200, {"content-type": said.content_type(talk)})
    await asyncio.sleep(float(seconds))
    await said.say(talk, said.pieces(talk))
    await talk.end()


async def slow(talk: Talk, seconds: str) -> None:
    await talk.start(200, {"content-type": said.content_type(talk)})
    await said.say(talk, said.pieces(talk), pause=float(seconds or 0.02))
    await talk.end()


async def drip(talk: Talk, _: str) -> None:
    body = b"".join(said.pieces(talk))
    await talk.start(200, {"content-type": said.content_type(talk)})
    await said.say(talk, (body[i : i + 1] for i in range(len(body))))
    await talk.end()


async def huge(talk: Talk, megabytes: str) -> None:
    size = int(megabytes or 8)
    piece = "x" * 1023 + " "
    if not talk.request.stream:
        await talk.whole(200, said.whole(talk, piece * 1024 * size), JSON)
        return
    begin, content, end = said.frames(talk, [piece])
    await talk.start(200, {"content-type": SSE})
    for part, times in ((begin, 1), (content, 1024 * size), (end, 1)):
        for _ in range(times):
            await said.say(talk, part)
    await talk.end()


async def gzip(talk: Talk, _: str) -> None:
    squeeze = zlib.compressobj(wbits=31)
    await talk.start(200, {"content-type": said.content_type(talk), "content-encoding": "gzip"})
    for piece in said.pieces(talk):
        await talk.send(squeeze.compress(piece) + squeeze.flush(zlib.Z_SYNC_FLUSH))
    await talk.send(squeeze.flush())
    await talk.end()


async def comments(talk: Talk, _: str) -> None:
    await talk.start(200, {"content-type": SSE})
    await said.say(talk, [*[b": thinking\n\n"] * 5, *said.pieces(talk)])
    await talk.end()


async def close(talk: Talk, _: str) -> None:
    await ok(talk, connection="close")


async def hangup(talk: Talk, _: str) -> None:
    await ok(talk)
    talk.cut()


async def stale(talk: Talk, _: str) -> None:
    """Answer well; the connection remembers this behaviour and breaks at the next request's first byte."""
    await ok(talk)
