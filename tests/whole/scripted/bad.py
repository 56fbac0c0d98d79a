"""Every way in which a provider fails."""

import asyncio
import json

from scripted import frames, good, replies, said, tools
from scripted.said import JSON, SSE
from scripted.talk import Talk


async def status(talk: Talk, code: str, argument: str) -> None:
    headers = {}
    if code == "429" and argument != "none":
        headers["retry-after"] = argument or "2"
    body = replies.error(talk.request.dialect, int(code), f"the scripted upstream was told to answer {code}")
    await talk.whole(int(code), json.dumps(body).encode(), JSON, headers)


async def forgetful(talk: Talk, _: str) -> None:
    """A provider of Responses that keeps nothing for this account, as with zero data retention."""
    if not (previous := talk.request.json.get("previous_response_id")):
        await good.ok(talk)
        return
    error = replies.error("responses", 400, f"Previous response with id '{previous}' not found.")
    error["error"] |= {"param": "previous_response_id", "code": "previous_response_not_found"}
    await talk.whole(400, json.dumps(error).encode(), JSON)


async def context(talk: Talk, _: str) -> None:
    message = "This model's maximum context length is 8192 tokens, your messages resulted in 9001 tokens."
    body = replies.error(talk.request.dialect, 400, message)
    if talk.request.dialect in {"openai", "responses"}:
        body["error"]["code"] = "context_length_exceeded"
    elif talk.request.dialect == "claude":
        body["error"]["message"] = "prompt is too long: 9001 tokens > 8192 maximum"
    await talk.whole(400, json.dumps(body).encode(), JSON)


async def html(talk: Talk, argument: str) -> None:
    page = b"<!doctype html><html><head><title>Oops</title></head><body><h1>Bad gateway</h1></body></html>"
    await talk.whole(int(argument or 200), page, "text/html")


async def hang(talk: Talk, _: str) -> None:
    await _never()


async def hang_headers(talk: Talk, _: str) -> None:
    await talk.start(200, {"content-type": said.content_type(talk)})
    await _never()


async def hang_byte(talk: Talk, _: str) -> None:
    await talk.start(200, {"content-type": said.content_type(talk)})
    await talk.send(b"d" if talk.request.stream else b"{")
    await _never()


async def hang_late(talk: Talk, _: str) -> None:
    await _half(talk)
    await _never()


async def empty(talk: Talk, _: str) -> None:
    if not talk.request.stream:
        await talk.whole(200, b"", JSON)
        return
    await talk.start(200, {"content-type": SSE})
    await talk.end()


async def role_only(talk: Talk, _: str) -> None:
    if not talk.request.stream:
        await talk.whole(200, said.whole(talk, ""), JSON)
        return
    await talk.start(200, {"content-type": SSE})
    await said.say(talk, said.frames(talk)[0])
    await talk.end()


async def error_first(talk: Talk, _: str) -> None:
    message = "the scripted upstream is overloaded"
    if not talk.request.stream:
        body = replies.error(talk.request.dialect, 503, message)
        await talk.whole(200, json.dumps(body).encode(), JSON)
        return
    await talk.start(200, {"content-type": SSE})
    await said.say(talk, [*said.frames(talk)[0], frames.fault(talk.request.dialect, 503, message)])
    await talk.end()


async def error_late(talk: Talk, _: str) -> None:
    await _half(talk)
    await talk.send(frames.fault(talk.request.dialect, 503, "the scripted upstream broke in the middle"))
    await talk.end()


async def cut_first(talk: Talk, _: str) -> None:
    if talk.request.stream:
        await talk.start(200, {"content-type": SSE})
        await said.say(talk, said.frames(talk)[0])
    else:
        await talk.start(200, {"content-type": JSON}, len(said.whole(talk)))
    talk.cut()


async def cut_late(talk: Talk, _: str) -> None:
    await _half(talk)
    talk.cut()


async def cut_tool(talk: Talk, _: str) -> None:
    """Break in the middle of a tool call."""
    _, called = tools.TOOLS[talk.request.dialect](talk.request.model)
    await talk.start(200, {"content-type": SSE})
    await said.say(talk, called[: len(called) // 2])
    talk.cut()


async def stops(talk: Talk, _: str) -> None:
    await _half(talk)
    await talk.end()


async def wrong(talk: Talk, _: str) -> None:
    if talk.request.stream:
        await talk.start(200, {"content-type": SSE})
        await talk.send(b'data: {"hello":"world"}\n\n')
        await talk.end()
    else:
        await talk.whole(200, b'{"hello":"world"}', JSON)


async def broken_json(talk: Talk, _: str) -> None:
    await talk.whole(200, b'{"id":"chatcmpl-scripted","choices":[', JSON)


async def not_sse(talk: Talk, _: str) -> None:
    await talk.whole(200, b"Once upon a time there was a stream\nthat had no events in it.\n\n" * 3, SSE)


async def data_junk(talk: Talk, _: str) -> None:
    await talk.whole(200, b"data: {oops\n\n", SSE)


async def not_http(talk: Talk, _: str) -> None:
    await talk.raw(b"SSH-2.0-scripted\r\n\r\n")
    talk.cut()


async def echo(talk: Talk, argument: str) -> None:
    """Repeat in an error, and in a header, what was shown to open the door, as careless providers do."""
    shown = _shown(talk)
    fault = f"Incorrect API key provided: {shown}."
    headers = {"x-echo": shown}
    status = int(argument or 401)
    body = json.dumps(replies.error(talk.request.dialect, status if status >= 400 else 503, fault)).encode()
    if status >= 400 or not talk.request.stream:
        await talk.whole(status, body, JSON, headers)
        return
    await talk.start(status, {"content-type": SSE, **headers})
    await said.say(talk, [*said.frames(talk)[0], frames.fault(talk.request.dialect, 503, fault)])
    await talk.end()


async def echo_late(talk: Talk, _: str) -> None:
    """Begin well, with the credential in a header, and repeat it in an error in the middle."""
    headers = {"x-echo": _shown(talk)}
    if not talk.request.stream:
        await talk.whole(200, said.whole(talk), JSON, headers)
        return
    begin, content, _ = said.frames(talk)
    await talk.start(200, {"content-type": SSE, **headers})
    await said.say(talk, [*begin, *content[:3]])
    await talk.send(frames.fault(talk.request.dialect, 503, f"the session of {_shown(talk)} has ended"))
    await talk.end()


def _shown(talk: Talk) -> str:
    names = ("authorization", "x-api-key", "x-goog-api-key")
    return " ".join(value for name, value in talk.request.headers if name.lower() in names)


async def _never() -> None:
    await asyncio.Event().wait()


async def _half(talk: Talk) -> None:
    """Say half of the content: streamed as events, whole as half of the promised bytes."""
    if talk.request.stream:
        begin, content, _ = said.frames(talk)
        await talk.start(200, {"content-type": SSE})
        await said.say(talk, [*begin, *content[: len(content) // 2]])
    else:
        body = said.whole(talk)
        await talk.start(200, {"content-type": JSON}, len(body))
        await talk.send(body[: len(body) // 2])
