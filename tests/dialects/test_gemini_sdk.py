"""Google's official client reads what is said to it in Gemini's API, though another served it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from cases import every
from google import genai
from google.genai import errors, types
from translate_kit import pieces, run, write_stream

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Begin, PartDelta, PartStart, Reasoning, Reply, Text, ToolCall, Usage
from omniroute.dialects.json_edit import dump
from omniroute.dialects.translate import CODECS, translate_reply

REPLY = Reply(
    "r1",
    (
        Reasoning("hm"),
        Text("Ich lese – 読みます 🐈."),
        ToolCall("call_a", "read", '{"path":"a"}'),
        ToolCall("call_b", "now", "{}"),
    ),
    "tool_calls",
    usage=Usage(50, 7, 30),
)


def client(body: bytes, kind: str) -> genai.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body, headers={"content-type": kind})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url="http://test", httpx_client=http))


@pytest.mark.parametrize("upstream", ["openai", "claude"])
@pytest.mark.parametrize("streamed", [True, False])
def test_google_reads_what_the_others_said(upstream: str, streamed: bool) -> None:
    found: list[Any]
    if streamed:
        wire = run("gemini", upstream, [write_stream(upstream, pieces(REPLY, 3))])
        found = list(client(wire, "text/event-stream").models.generate_content_stream(model="m", contents="hi"))
    else:
        body = CODECS[upstream].write_reply(REPLY, model="m")
        whole = dump(translate_reply("gemini", upstream, body, model="m"))
        found = [client(whole, "application/json").models.generate_content(model="m", contents="hi")]
    parts = [part for reply in found for part in reply.candidates[0].content.parts]
    assert "".join(part.text for part in parts if part.text and part.thought) == "hm"
    assert "".join(part.text for part in parts if part.text and not part.thought) == "Ich lese – 読みます 🐈."
    calls = [part.function_call for part in parts if part.function_call]
    assert [(call.id, call.name, call.args) for call in calls] == [
        ("call_a", "read", {"path": "a"}),
        ("call_b", "now", {}),
    ]
    assert found[-1].candidates[0].finish_reason == types.FinishReason.STOP
    numbers = found[-1].usage_metadata
    assert (numbers.prompt_token_count, numbers.candidates_token_count, numbers.cached_content_token_count) == (
        50,
        7,
        30,
    )


class Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that arrives in these chunks."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


def stream_client(chunks: list[bytes]) -> genai.Client:
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, stream=Chunks(chunks), headers={"content-type": "text/event-stream"})
    )
    options = types.HttpOptions(
        base_url="http://test",
        httpx_client=httpx.Client(transport=transport),
        httpx_async_client=httpx.AsyncClient(transport=transport),
    )
    return genai.Client(api_key="k", http_options=options)


def read_sync(chunks: list[bytes], heard: list[str]) -> None:
    for reply in stream_client(chunks).models.generate_content_stream(model="m", contents="hi"):
        heard.append(reply.text or "")


def read_async(chunks: list[bytes], heard: list[str]) -> None:
    async def read() -> None:
        async for reply in await stream_client(chunks).aio.models.generate_content_stream(model="m", contents="hi"):
            heard.append(reply.text or "")

    asyncio.run(read())


ERRORS = {
    "openai": b'data: {"error":{"message":"no { room","type":"server_error","code":"x"}}\n\n',
    "claude": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"no { room"}}\n\n',
    "responses": b'event: error\ndata: {"type":"error","message":"no { room","code":"server_error"}\n\n',
    "gemini": b'{"error":{"code":503,"message":"no { room","status":"UNAVAILABLE"}}',
}
BREAKS = {"an error": b"", "a cut": b"", "half an event": b'data: {"id": "x', "junk": b"data: {oops\n\n"}


@every("read", [read_sync, read_async])
@every("how", BREAKS)
@every("upstream", sorted(CODECS))
def test_google_raises_what_breaks_off_a_stream(
    upstream: str, how: str, read: Callable[[list[bytes], list[str]], None]
) -> None:
    said = [Begin("r"), PartStart(0, Text()), *(PartDelta(0, word) for word in ("one ", "two ", "three "))]
    stream = Stream("gemini", upstream, model="m")
    out = stream.feed(write_stream(upstream, said))
    out += stream.feed(ERRORS[upstream] if how == "an error" else BREAKS[how]) + stream.finish()
    assert stream.fault is not None
    last = stream.fail(stream.fault)
    assert b"\n\ndata: " in b"\n\n" + last
    for chunks in ([out + last], [out, last], [bytes([byte]) for byte in out + last]):
        heard: list[str] = []
        with pytest.raises(errors.ServerError) as caught:
            read(chunks, heard)
        assert "".join(heard) == "one two three "
        assert 500 <= caught.value.code <= 599
        assert how != "an error" or caught.value.message == "no { room"
