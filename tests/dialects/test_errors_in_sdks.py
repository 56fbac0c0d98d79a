"""The official SDKs read our errors: they are the judges of the shapes."""

from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Fault
from omniroute.dialects.registry import DIALECTS
from omniroute.errors import BadRequest, RateLimited

WIRE = Path(__file__).parents[1] / "wire"
HELLO = [{"role": "user", "content": "hi"}]


def answering(status: int, body: bytes, kind: str = "application/json") -> httpx2.Client:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": kind})

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def openai_client(http: httpx2.Client) -> openai.OpenAI:
    return openai.OpenAI(base_url="http://gateway/v1", api_key="k", max_retries=0, http_client=http)


def claude_client(http: httpx2.Client) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url="http://gateway", api_key="k", max_retries=0, http_client=http)


def broken(name: str, share: float) -> httpx2.Client:
    """A stream that is cut after so much of it, and says so."""
    dialect, wire = name.partition("-")[0], (WIRE / name).read_bytes()
    stream = Stream(dialect, dialect, model="m")
    said = stream.feed(wire[: int(len(wire) * share)]) + stream.finish()
    said += stream.fail(Fault("cut", "the upstream went away"))
    return answering(200, said, "text/event-stream")


def test_openai_raises_the_class_of_the_status_with_code_and_param() -> None:
    body = DIALECTS["openai"].write_error(BadRequest("no such model", param="model"))
    client = openai_client(answering(400, orjson.dumps(body)))
    with pytest.raises(openai.BadRequestError, match="no such model") as caught:
        client.chat.completions.create(model="m", messages=HELLO)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert caught.value.type == "invalid_request_error"


def test_openai_raises_a_fault_in_a_chat_stream_after_what_was_said() -> None:
    client = openai_client(broken("openai-text.sse", 0.7))
    said: list[object] = []
    with pytest.raises(openai.APIError, match="the upstream went away"):
        said.extend(client.chat.completions.create(model="m", messages=HELLO, stream=True))
    assert len(said) > 2


def test_openai_raises_a_fault_in_a_responses_stream() -> None:
    client = openai_client(broken("responses-thinking-text-tool.sse", 0.7))
    said: list[Any] = []
    with pytest.raises(openai.APIError, match="the upstream went away"):
        said.extend(client.responses.create(model="m", input="hi", stream=True))
    assert "response.output_text.delta" in [event.type for event in said]


def test_anthropic_raises_the_class_of_the_status() -> None:
    body = DIALECTS["claude"].write_error(RateLimited("too fast"))
    client = claude_client(answering(429, orjson.dumps(body)))
    with pytest.raises(anthropic.RateLimitError, match="too fast") as caught:
        client.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert caught.value.type == "rate_limit_error"


def test_anthropic_raises_a_fault_in_a_stream_after_what_was_said() -> None:
    client = claude_client(broken("claude-text.sse", 0.7))
    said: list[Any] = []
    with pytest.raises(anthropic.APIStatusError, match="the upstream went away"):
        said.extend(client.messages.create(model="m", max_tokens=5, messages=HELLO, stream=True))
    assert "content_block_delta" in [event.type for event in said]


@pytest.mark.parametrize("name", ["claude-text.sse", "claude-thinking-tools.sse"])
def test_anthropic_takes_pings_between_frames(name: str) -> None:
    wire = (WIRE / name).read_bytes().replace(b"\n\n", b"\n\n" + DIALECTS["claude"].keepalive)
    client = claude_client(answering(200, wire, "text/event-stream"))
    with client.messages.stream(model="m", max_tokens=5, messages=HELLO) as stream:
        assert stream.get_final_message().stop_reason


@pytest.mark.parametrize("name", ["openai-text.sse", "openai-thinking-tools.sse"])
def test_openai_takes_comments_between_frames(name: str) -> None:
    wire = (WIRE / name).read_bytes().replace(b"\n\n", b"\n\n" + DIALECTS["openai"].keepalive)
    client = openai_client(answering(200, wire, "text/event-stream"))
    chunks = list(client.chat.completions.create(model="m", messages=HELLO, stream=True))
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "tool_calls")
