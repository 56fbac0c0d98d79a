"""The official client of OpenAI Responses reads what another dialect's upstream served, whole and streamed."""

from typing import Any

import pytest
from test_translate_sdks import ASKED, claude_client, openai_client
from translate_kit import pieces, run, write_stream

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Reasoning, Reply, Text, ToolCall, Usage
from omniroute.dialects.tool_names import OwnName
from omniroute.dialects.translate import CODECS, translate_reply

REPLY = Reply(
    "r1",
    (
        Reasoning("hm"),
        Text("Ich lese – 読みます 🐈."),
        ToolCall("call_a", "read", '{"path":"a"}'),
        ToolCall("call_b", "patch", '{"input":"x"}'),
    ),
    "tool_calls",
    usage=Usage(50, 7, 30, 10, 2),
)
NAMES = {"patch": OwnName("patch", "custom").word}


@pytest.mark.parametrize("upstream", ["openai", "claude"])
@pytest.mark.parametrize("streamed", [True, False])
def test_openai_reads_responses_that_another_dialect_served(upstream: str, streamed: bool) -> None:
    if streamed:
        wire = run("responses", upstream, [write_stream(upstream, pieces(REPLY, 3))], names=NAMES)
        with openai_client(wire).responses.stream(model="m", input="hi") as stream:
            kinds = [event.type for event in stream]
            response: Any = stream.get_final_response()
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    else:
        answer = CODECS[upstream].write_reply(REPLY, model="u")
        body = translate_reply("responses", upstream, answer, model="m", names=NAMES)
        response = openai_client(body).responses.create(model="m", input="hi")
    thought, message, read, patch = response.output
    assert response.output_text == "Ich lese – 読みます 🐈."
    assert (thought.summary[0].text, message.content[0].text) == ("hm", response.output_text)
    assert (read.name, read.arguments, read.call_id) == ("read", '{"path":"a"}', "call_a")
    assert (patch.type, patch.name, patch.input) == ("custom_tool_call", "patch", "x")
    usage = response.usage
    assert (usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens) == (50, 30, 7)
    assert usage.output_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize("streamed", [True, False])
def test_others_read_what_responses_served(streamed: bool) -> None:
    for client in ("openai", "claude"):
        if streamed:
            said: Any = run(client, "responses", [write_stream("responses", pieces(REPLY, 3))])
        else:
            said = translate_reply(client, "responses", CODECS["responses"].write_reply(REPLY, model="u"), model="m")
        if client == "claude" and streamed:
            with claude_client(said).messages.stream(**ASKED) as stream:
                message: Any = stream.get_final_message()
        elif client == "claude":
            message = claude_client(said).messages.create(**ASKED)
        elif streamed:
            with openai_client(said).chat.completions.stream(model="m", messages=ASKED["messages"]) as chat:
                message = chat.get_final_completion()
        else:
            message = openai_client(said).chat.completions.create(model="m", messages=ASKED["messages"])
        if client == "claude":
            assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
            assert message.content[2].input == {"path": "a"}
            assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (10, 30)
        else:
            assert message.choices[0].message.content == "Ich lese – 読みます 🐈."
            assert [call.function.name for call in message.choices[0].message.tool_calls] == ["read", "patch"]
            assert message.usage.prompt_tokens == 50


def test_the_door_serves_the_pair_and_tells_the_signs() -> None:
    wire = write_stream("claude", pieces(REPLY, 3))
    stream = Stream("responses", "claude", model="m", names=NAMES)
    out = stream.feed(wire) + stream.finish()
    assert (stream.content, stream.done, stream.fault) == (True, True, None)
    assert stream.usage.input == 50
    assert out.endswith(b"\n\n")
