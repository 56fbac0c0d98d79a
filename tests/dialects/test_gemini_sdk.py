"""Google's official client reads what is said to it in Gemini's API, though another served it."""

from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from translate_kit import pieces, run, write_stream

from omniroute.dialects.ir import Reasoning, Reply, Text, ToolCall, Usage
from omniroute.dialects.jsonish import dump
from omniroute.dialects.translate import SPOKES, translate_reply

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
        body = SPOKES[upstream].write_reply(REPLY, model="m")
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
