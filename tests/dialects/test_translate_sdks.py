"""The official clients read what is said to them in their own dialect, though another served it."""

import importlib
from typing import Any

import anthropic
import openai
import pytest
from translate_kit import pieces, run, write_stream

from omniroute.dialects.ir import Reasoning, Reply, Text, ToolCall, Usage
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
    usage=Usage(50, 7, 30, 10),
)


def serve(sdk: Any, body: bytes | dict[str, Any]) -> Any:
    """Answer everything with one body, through the HTTP library that this SDK is built on."""
    library = importlib.import_module(sdk.DefaultHttpxClient.__mro__[-2].__module__.partition(".")[0])

    def answer(request: Any) -> Any:
        if isinstance(body, bytes):
            return library.Response(200, content=body, headers={"content-type": "text/event-stream"})
        return library.Response(200, json=body)

    return library.Client(transport=library.MockTransport(answer))


def claude_client(body: bytes | dict[str, Any]) -> anthropic.Anthropic:
    client = serve(anthropic, body)
    return anthropic.Anthropic(api_key="k", base_url="http://test", max_retries=0, http_client=client)


def openai_client(body: bytes | dict[str, Any]) -> openai.OpenAI:
    client = serve(openai, body)
    return openai.OpenAI(api_key="k", base_url="http://test/v1", max_retries=0, http_client=client)


ASKED: Any = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("streamed", [True, False])
def test_anthropic_reads_what_openai_said(streamed: bool) -> None:
    if streamed:
        wire = run("claude", "openai", [write_stream("openai", pieces(REPLY, 3))])
        with claude_client(wire).messages.stream(**ASKED) as stream:
            kinds = [event.type for event in stream]
            message: Any = stream.get_final_message()
        assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    else:
        body = translate_reply("claude", "openai", CODECS["openai"].write_reply(REPLY, model="u"), model="m")
        message = claude_client(body).messages.create(**ASKED)
    thought, text, first, second = message.content
    assert (thought.thinking, text.text) == ("hm", "Ich lese – 読みます 🐈.")
    assert (first.name, first.input, second.name, second.input) == ("read", {"path": "a"}, "now", {})
    assert message.stop_reason == "tool_use"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (10, 30, 10)
    assert usage.output_tokens == 7


@pytest.mark.parametrize("streamed", [True, False])
def test_openai_reads_what_claude_said(streamed: bool) -> None:
    if streamed:
        wire = run("openai", "claude", [write_stream("claude", pieces(REPLY, 3))])
        with openai_client(wire).chat.completions.stream(model="m", messages=ASKED["messages"]) as stream:
            for _ in stream:
                pass
            completion: Any = stream.get_final_completion()
    else:
        body = translate_reply("openai", "claude", CODECS["claude"].write_reply(REPLY, model="u"), model="m")
        completion = openai_client(body).chat.completions.create(model="m", messages=ASKED["messages"])
    message = completion.choices[0].message
    assert (message.content, message.reasoning_content) == ("Ich lese – 読みます 🐈.", "hm")
    assert [(call.function.name, call.function.arguments) for call in message.tool_calls] == [
        ("read", '{"path":"a"}'),
        ("now", "{}"),
    ]
    assert completion.choices[0].finish_reason == "tool_calls"
    usage = completion.usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens) == (50, 30, 7)


def test_a_stream_of_signed_thinking_is_given_back_as_it_was() -> None:
    said = (
        Reasoning("first this", "c2lnMQ==", origin="claude"),
        Reasoning("then that", "c2lnMg==", origin="claude"),
        Text("So."),
    )
    wire = run("openai", "claude", [write_stream("claude", pieces(Reply("r1", said, "stop"), 3))])
    with openai_client(wire).chat.completions.stream(model="m", messages=ASKED["messages"]) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message.to_dict()
    asked = CODECS["openai"].read_request({"model": "m", "messages": [*ASKED["messages"], message]})
    assert asked.messages[1].parts == said
