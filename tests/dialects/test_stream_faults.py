"""A stream that fails says so as its client needs it, and where it stands."""

import itertools
import json
from pathlib import Path
from typing import Any

import google.genai.errors
import httpx
import openai
import pytest
from cases import every
from google import genai
from openai.types.responses import Response, ResponseErrorEvent, ResponseFailedEvent
from translate_kit import frames, pieces, write_stream

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Fault, Reasoning, Reply, Text, ToolCall, Usage
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.upstream_errors import read_error
from omniroute.errors import BadRequest

WIRE = Path(__file__).parents[1] / "wire"
BROKE = Fault("cut", "it broke off")
SAMPLE = Reply(
    "msg_1",
    (Reasoning("Which?"), Text("Both of them."), ToolCall("call_a", "read", '{"path":"a"}')),
    "tool_calls",
    usage=Usage(120, 30, 100, 10),
)


def events(wire: bytes) -> list[dict[str, Any]]:
    return [json.loads(frame.data) for frame in frames(wire)]


def until(client: str, upstream: str, mark: bytes) -> tuple[Stream, bytes]:
    """Feed a stream until the client has been told this."""
    stream, out = Stream(client, upstream, model="asked", created=7), b""
    for event in write_stream(upstream, pieces(SAMPLE, 3)).split(b"\n\n"):
        out += stream.feed(event + b"\n\n")
        if mark in out:
            return stream, out
    raise AssertionError(f"{mark!r} was never said")


@every("upstream", ["openai", "claude", "gemini"])
@every("mark", [b"reasoning_summary_text.delta", b"output_text.delta", b'"function_call"'])
def test_a_failed_response_is_the_one_that_began(upstream: str, mark: bytes) -> None:
    stream, out = until("responses", upstream, mark)
    told = events(out + stream.fail(BROKE))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    began, failed = told[0]["response"], told[-1]["response"]
    known = ("id", "created_at", "model")
    assert [failed[key] for key in known] == [began[key] for key in known]
    assert failed["status"] == "failed"
    assert failed["error"] == {"code": "server_error", "message": "it broke off"}
    for kind, event in [(ResponseErrorEvent, told[-2]), (ResponseFailedEvent, told[-1]), (Response, failed)]:
        kind.model_validate(event, strict=True)


def test_a_failed_response_has_what_was_said_and_no_half_call() -> None:
    stream, out = until("responses", "openai", b"output_text.delta")
    thought, text = events(out + stream.fail(BROKE))[-1]["response"]["output"]
    assert (thought["type"], thought["summary"][0]["text"]) == ("reasoning", "Which?")
    assert (text["status"], text["content"][0]["text"]) == ("incomplete", "Bot")
    stream, out = until("responses", "openai", b"function_call_arguments.delta")
    output = events(out + stream.fail(BROKE))[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_response_that_passes_fails_as_the_one_that_began(share: float) -> None:
    wire = (WIRE / "responses-thinking-text-tool.sse").read_bytes()
    stream = Stream("responses", "responses", model="m")
    out = stream.feed(wire[: int(len(wire) * share)])
    told = events(out + stream.fail(BROKE))
    assert [event["sequence_number"] for event in told[-2:]] == [len(told) - 2, len(told) - 1]
    if share:
        assert told[-1]["response"]["id"] == told[0]["response"]["id"] != ""
    else:
        ResponseFailedEvent.model_validate(told[-1], strict=True)


@pytest.mark.parametrize("first", ["[]", "{}", '{"response":5}', '{"sequence_number":"x"}', "[DONE]"])
def test_a_response_that_began_oddly_fails_all_the_same(first: str) -> None:
    stream = Stream("responses", "responses", model="m")
    out = stream.feed(f'data: {first}\n\ndata: {{"type":"response.output_text.delta","delta":"x"}}\n\n'.encode())
    assert events(stream.fail(BROKE))[-1]["response"]["status"] == "failed", out


FAULTS = [
    (Fault("overloaded_error", "busy"), "overloaded_error", "server_is_overloaded", 529),
    (Fault("error", "busy", "server_is_overloaded", 503), "overloaded_error", "server_is_overloaded", 529),
    (Fault("rate_limit_error", "slow"), "rate_limit_error", "rate_limit_exceeded", 429),
    (Fault("RESOURCE_EXHAUSTED", "slow", None, 429), "rate_limit_error", "rate_limit_exceeded", 429),
    (Fault("insufficient_quota", "pay", "insufficient_quota", 429), "rate_limit_error", "insufficient_quota", 429),
    (Fault("billing_error", "pay"), "billing_error", "insufficient_quota", 402),
    (Fault("UNAVAILABLE", "down", None, 503), "api_error", "server_error", 503),
    (Fault("timeout_error", "slow"), "timeout_error", "server_error", 504),
    (Fault("invalid_request_error", "no", None, 400), "invalid_request_error", "invalid_prompt", 400),
    (Fault("cut", "gone"), "api_error", "server_error", 502),
]


@every(("fault", "claude", "responses", "gemini"), FAULTS)
def test_each_client_reads_what_it_acts_on(fault: Fault, claude: str, responses: str, gemini: int) -> None:
    """Codex asks again at a code that it does not know; Claude Code goes by the type, Google's SDKs by the number."""
    [event] = events(DIALECTS["claude"].write_fault(fault))
    assert event["error"]["type"] == claude
    failed = events(DIALECTS["responses"].write_fault(fault))[-1]
    assert failed["response"]["error"]["code"] == responses
    event, *_ = events(DIALECTS["gemini"].write_fault(fault))
    assert event["error"]["code"] == gemini


@pytest.mark.parametrize(
    "said",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "Input is too long for requested model.",
    ],
)
def test_a_conversation_that_is_too_long_is_told_as_each_client_looks_for_it(said: str) -> None:
    fault = read_error(400, json.dumps({"error": {"type": "invalid_request_error", "message": said}}).encode())
    assert fault.code == "context_length_exceeded"
    error = BadRequest(fault.message, code=fault.code)
    assert DIALECTS["openai"].write_error(error)["error"]["code"] == "context_length_exceeded"
    told = DIALECTS["claude"].write_error(error)["error"]["message"]
    assert said in told
    assert told.lower().count("prompt is too long") == 1
    assert b"prompt is too long" in DIALECTS["claude"].write_fault(fault)


def test_what_only_sounds_like_it_is_not_too_long() -> None:
    for status, said in [(400, "the context of this call is unknown"), (500, "prompt is too long")]:
        assert read_error(status, json.dumps({"error": {"message": said}}).encode()).code is None


def test_a_half_call_stays_open_so_that_no_one_runs_it() -> None:
    stream, out = until("claude", "openai", b"input_json_delta")
    assert [event["type"] for event in events(out + stream.fail(BROKE))[-2:]] == ["content_block_delta", "error"]
    stream, out = until("claude", "openai", b"text_delta")
    assert [event["type"] for event in events(out + stream.fail(BROKE))[-2:]] == ["content_block_stop", "error"]


def genai_client(wire: bytes) -> genai.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=wire, headers={"content-type": "text/event-stream"})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    options = genai.types.HttpOptions(base_url="http://test", httpx_client=http)
    return genai.Client(api_key="k", http_options=options)


@pytest.mark.parametrize("upstream", ["openai", "gemini"])
def test_google_raises_a_fault_in_a_stream_after_what_was_said(upstream: str) -> None:
    stream, out = until("gemini", upstream, b"Bot")
    client = genai_client(out + stream.fail(Fault("overloaded_error", "busy", None, 503)))
    said: list[str | None] = []
    with pytest.raises(google.genai.errors.ServerError, match="busy") as caught:
        said.extend(reply.text for reply in client.models.generate_content_stream(model="m", contents="hi"))
    assert said[-1] == "Bot"
    assert caught.value.status == "UNAVAILABLE"


@pytest.mark.parametrize("upstream", ["openai", "claude"])
def test_openai_raises_a_fault_in_a_translated_response(upstream: str) -> None:
    client_side = "responses" if upstream == "openai" else "openai"
    stream, out = until(client_side, upstream, b"Bot")
    wire = out + stream.fail(BROKE)
    library = __import__(openai.DefaultHttpxClient.__mro__[-2].__module__.partition(".")[0])
    answer = library.MockTransport(lambda _: library.Response(200, content=wire))
    client = openai.OpenAI(
        base_url="http://t/v1", api_key="k", max_retries=0, http_client=library.Client(transport=answer)
    )
    answers: Any
    if client_side == "responses":
        answers = client.responses.create(model="m", input="hi", stream=True)
    else:
        answers = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
    with pytest.raises(openai.APIError, match="it broke off"):
        list(answers)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("client", ["gemini", "claude"])
def test_an_error_of_google_that_stands_outside_of_events_is_read(client: str, indent: int | None) -> None:
    said = json.dumps({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}, indent=indent).encode()
    stream = Stream(client, "gemini", model="m")
    out = stream.feed(b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\n\n' + said) + stream.finish()
    assert b'"a"' in out
    assert stream.fault == Fault("UNAVAILABLE", "busy", None, 503)
    assert (out + stream.fail(stream.fault)).count(b"busy") == (2 if client == "gemini" else 1)


# A stream as one JSON array, for clients of Gemini that do not ask for events.


@pytest.mark.parametrize("upstream", ["openai", "claude", "responses"])
def test_an_array_is_json_at_its_end_and_the_same_as_the_events(upstream: str) -> None:
    wire = write_stream(upstream, pieces(SAMPLE, 3))
    as_events = Stream("gemini", upstream, model="m")
    wanted = events(as_events.feed(wire) + as_events.finish())
    for cut in range(0, len(wire), 7):
        stream = Stream("gemini", upstream, model="m", as_array=True)
        out = stream.feed(wire[:cut]) + stream.feed(wire[cut:]) + stream.finish()
        assert json.loads(out) == wanted
        again = Stream("gemini", "gemini", model="m")
        assert again.feed(out) + again.finish() == out
        assert (again.done, again.fault, again.usage) == (True, None, Usage(120, 30, 100, None, again.usage.reasoning))


@pytest.mark.parametrize("upstream", ["openai", "claude", "responses"])
def test_an_array_may_break_off_anywhere_and_is_json_all_the_same(upstream: str) -> None:
    wire = write_stream(upstream, pieces(SAMPLE, 3))
    for cut in range(0, len(wire), 5):
        stream = Stream("gemini", upstream, model="m", as_array=True)
        told = json.loads(stream.feed(wire[:cut]) + stream.finish() + stream.fail(BROKE))
        assert stream.done or told[-1] == {"error": {"code": 502, "message": "it broke off", "status": "UNAVAILABLE"}}


def test_each_element_of_an_array_goes_out_as_soon_as_it_is_said() -> None:
    stream = Stream("gemini", "claude", model="m", as_array=True)
    wire = write_stream("claude", pieces(SAMPLE, 3))
    said = [said for event in wire.split(b"\n\n") if (said := stream.feed(event + b"\n\n"))]
    assert len(said) > 6
    for before, after in itertools.pairwise(itertools.accumulate(said)):
        json.loads(before + b"]")
        assert after[len(before) :].startswith(b",\r\n")
