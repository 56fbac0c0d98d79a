"""Errors: read in whatever shape they come, written as each dialect's clients expect."""

import time
from typing import Any

import orjson
import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Fault
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.sse import Decoder
from omniroute.dialects.upstream_errors import MAX_MESSAGE, one_line, read_error, status_of
from omniroute.errors import (
    BadRequest,
    Exhausted,
    Forbidden,
    GatewayError,
    NotAllowed,
    NotFound,
    RateLimited,
    TimedOut,
    TooLarge,
    UpgradeRequired,
    UpstreamFailed,
)


def read(status: int, body: Any) -> Fault:
    return read_error(status, body if isinstance(body, bytes) else orjson.dumps(body))


@every(
    ("status", "body", "fault"),
    [
        (  # OpenAI
            429,
            {"error": {"message": "no money", "type": "quota", "param": None, "code": "insufficient_quota"}},
            Fault("quota", "no money", "insufficient_quota", 429),
        ),
        (  # Claude
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "r"},
            Fault("overloaded_error", "busy", None, 529),
        ),
        (  # Gemini, and its array form
            400,
            {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": [{}]}},
            Fault("INVALID_ARGUMENT", "API key not valid.", None, 400),
        ),
        (
            429,
            [{"error": {"code": 429, "message": "full", "status": "RESOURCE_EXHAUSTED"}}],
            Fault("RESOURCE_EXHAUSTED", "full", None, 429),
        ),
        (404, {"error": "model 'x' not found"}, Fault("not_found", "model 'x' not found", None, 404)),
        (
            401,
            {"statusCode": 401, "error": "Unauthorized", "message": "key?"},
            Fault("unauthorized", "key?", None, 401),
        ),
        (500, {"error": True, "message": "oh"}, Fault("internal_server_error", "oh", None, 500)),
        (404, {"detail": "no such model"}, Fault("not_found", "no such model", None, 404)),
        (400, {"message": "wrong", "code": "E7"}, Fault("E7", "wrong", "E7", 400)),
        (
            400,
            {"object": "error", "message": {"detail": [{"msg": "a"}, {"msg": "b"}]}},
            Fault("bad_request", "a; b", None, 400),
        ),
        (
            403,
            {"success": False, "errors": [{"code": 10, "message": "blocked"}]},
            Fault("forbidden", "blocked", None, 403),
        ),
        (  # AWS
            400,
            {"__type": "com.amazon.coral#ThrottlingException", "Message": "slow down"},
            Fault("ThrottlingException", "slow down", None, 400),
        ),
        (  # a provider behind a provider
            502,
            {"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": "it is raining"}}},
            Fault("bad_gateway", "Provider returned error: it is raining", None, 502),
        ),
        (
            502,
            b"<html><head><title>502 Bad\n Gateway</title></head><body>x</body>",
            Fault("bad_gateway", "502 Bad Gateway", None, 502),
        ),
        (503, b"<p>We are <b>moving</b></p>", Fault("service_unavailable", "We are moving", None, 503)),
        (503, b"no healthy\r\n upstream\n", Fault("service_unavailable", "no healthy upstream", None, 503)),
        (500, b'"just words"', Fault("internal_server_error", "just words", None, 500)),
        (500, b"", Fault("internal_server_error", "500 Internal Server Error", None, 500)),
        (429, b"{}", Fault("too_many_requests", "429 Too Many Requests", None, 429)),
        (599, b"[]", Fault("error", "599 error", None, 599)),
        (529, b"null", Fault("overloaded", "529 Overloaded", None, 529)),
        # Status 200, but no reply.
        (200, {"error": {"message": "no", "code": "429"}}, Fault("too_many_requests", "no", "429", 429)),
        (200, {"type": "error", "error": {"type": "api_error", "message": "no"}}, Fault("api_error", "no", None, 500)),
        (200, b"<title>Log in</title>", Fault("garbage", "not the reply that was asked for: Log in")),
        (200, {"a": 1}, Fault("garbage", 'not the reply that was asked for: {"a":1}')),
        (200, b" ", Fault("empty", "the reply has no body")),
    ],
)
def test_an_error_is_read_in_any_shape(status: int, body: Any, fault: Fault) -> None:
    assert read(status, body) == fault


def test_a_field_that_is_wrong_is_named() -> None:
    detail = [{"loc": ["body", "messages", 0], "msg": "field required", "type": "missing"}]
    assert read(422, {"detail": detail}).message == "body.messages.0: field required"


def test_words_are_one_line_and_bounded() -> None:
    fault = read(400, {"error": {"message": "so \r\n\t much " * 5000}})
    assert len(fault.message) == MAX_MESSAGE
    assert fault.message.startswith("so much so much")
    assert "\n" not in fault.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 600) | st.text("ab\n", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["error", "errors", "message", "detail", "code", "status", "type", "base_resp", "metadata"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(st.integers(100, 999), st.binary(max_size=80) | st.text("<title>/{}\"'", max_size=60).map(str.encode))
def test_any_bytes_give_a_fault(status: int, body: bytes) -> None:
    assert read(status, body).message


@given(st.sampled_from([200, 400, 404, 500, 529]), JSON)
def test_any_json_gives_a_fault(status: int, body: Any) -> None:
    fault = read(status, body)
    assert fault.kind
    assert fault.message
    assert "\n" not in fault.message


@every("unit", [b"<", b"<title>", b"<title ", b" ", b"<script>", b"[", b'{"error":'])
def test_junk_of_any_size_is_read_quickly(unit: bytes) -> None:
    body = unit * (4_000_000 // len(unit))
    start = time.process_time()
    read(500, body)
    assert time.process_time() - start < 1


# error, OpenAI's type and code, Claude's type, Gemini's status word
REFUSED, SLOW, BROKEN = "invalid_request_error", "rate_limit_error", "server_error"
SPENT = "insufficient_quota"
WRITTEN: list[tuple[GatewayError, str, str, str, str]] = [
    (BadRequest("b"), REFUSED, "bad_request", REFUSED, "INVALID_ARGUMENT"),
    (BadRequest("b", param="model"), REFUSED, "model_not_found", REFUSED, "INVALID_ARGUMENT"),
    (BadRequest("b", status=422, code="own", param="tools.0"), REFUSED, "own", REFUSED, "INVALID_ARGUMENT"),
    (NotAllowed("n"), "authentication_error", "invalid_api_key", "authentication_error", "UNAUTHENTICATED"),
    (Forbidden("f"), "permission_error", "forbidden", "permission_error", "PERMISSION_DENIED"),
    (NotFound("p"), REFUSED, "not_found", "not_found_error", "NOT_FOUND"),
    (UpstreamFailed("m", status=404), REFUSED, "model_not_found", "not_found_error", "NOT_FOUND"),
    (TooLarge("t"), REFUSED, "request_too_large", "request_too_large", "INVALID_ARGUMENT"),
    (UpgradeRequired("u"), REFUSED, "bad_request", REFUSED, "INVALID_ARGUMENT"),
    (RateLimited("r", retry_after=1.0), SLOW, "rate_limit_exceeded", SLOW, "RESOURCE_EXHAUSTED"),
    (RateLimited("r", code=SPENT), SPENT, SPENT, SLOW, "RESOURCE_EXHAUSTED"),
    (GatewayError("g"), BROKEN, "internal_server_error", "api_error", "INTERNAL"),
    (UpstreamFailed("u"), BROKEN, "bad_gateway", "api_error", "UNAVAILABLE"),
    (Exhausted("e"), BROKEN, "service_unavailable", "api_error", "UNAVAILABLE"),
    (TimedOut("t"), BROKEN, "gateway_timeout", "timeout_error", "DEADLINE_EXCEEDED"),
    (
        UpstreamFailed("o", status=529),
        "service_unavailable_error",
        "server_is_overloaded",
        "overloaded_error",
        "UNAVAILABLE",
    ),
]


@every(("error", "kind", "code", "claude", "gemini"), WRITTEN)
def test_every_dialect_reads_our_errors_in_its_own_shape(
    error: GatewayError, kind: str, code: str, claude: str, gemini: str
) -> None:
    words = error.message
    written = {name: dialect.write_error(error) for name, dialect in DIALECTS.items()}
    as_openai = {"error": {"message": words, "type": kind, "code": code, "param": error.param}}
    assert written["openai"] == written["responses"] == as_openai
    assert written["claude"] == {"type": "error", "error": {"type": claude, "message": words}}
    assert written["gemini"] == {"error": {"code": error.status, "message": words, "status": gemini}}


@every(
    ("fault", "status"),
    [
        (Fault("overloaded_error", ""), 529),
        (Fault("RESOURCE_EXHAUSTED", ""), 429),
        (Fault("error", "", code="rate_limit_exceeded"), 429),
        (Fault("invalid_request_error", "", code="model_not_found"), 404),
        (Fault("api_error", "", status=503), 503),
        (Fault("cut", ""), 502),
        (Fault("who knows", ""), 502),
    ],
)
def test_a_fault_means_a_status(fault: Fault, status: int) -> None:
    assert status_of(fault) == status


BUSY = Fault("overloaded_error", "busy", None, 529)


def test_a_fault_in_an_openai_stream_is_a_chunk_and_the_end_mark() -> None:
    first, last = Decoder().feed(DIALECTS["openai"].write_fault(BUSY))
    error = orjson.loads(first.data)["error"]
    kind, code = "service_unavailable_error", "server_is_overloaded"
    assert error == {"message": "busy", "type": kind, "code": code, "param": None}
    assert last.data == "[DONE]"


def test_a_fault_in_a_claude_stream_is_an_error_event() -> None:
    (frame,) = Decoder().feed(DIALECTS["claude"].write_fault(BUSY))
    assert frame.event == "error"
    assert orjson.loads(frame.data) == {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}


def test_a_fault_in_a_responses_stream_is_an_error_event_and_a_failed_reply() -> None:
    first, last = Decoder().feed(DIALECTS["responses"].write_fault(Fault("x", "slow", "rate_limit_exceeded", 429)))
    assert (first.event, last.event) == ("error", "response.failed")
    error, failed = orjson.loads(first.data), orjson.loads(last.data)
    assert (error["type"], error["code"], error["message"]) == ("error", "rate_limit_exceeded", "slow")
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "slow"}


def test_a_fault_in_a_gemini_stream_is_an_error_object() -> None:
    said, bare = DIALECTS["gemini"].write_fault(BUSY).removeprefix(b"data: ").split(b"\n\n")
    assert said == bare
    assert orjson.loads(said) == {"error": {"code": 529, "message": "busy", "status": "UNAVAILABLE"}}
    assert not bare.endswith(b"\n")  # else the JavaScript SDK passes over it where it comes together with an event


@given(st.sampled_from(sorted(DIALECTS)), st.builds(Fault, st.text(), st.text(), st.none() | st.text()))
def test_what_is_written_into_a_stream_is_read_as_a_fault_again(dialect: str, fault: Fault) -> None:
    stream = Stream(dialect, dialect, model="m")
    stream.feed(DIALECTS[dialect].write_fault(fault))
    stream.finish()
    read_again = stream.fault
    assert read_again is not None
    assert read_again.message == one_line(fault.message) or not fault.message.strip()


@pytest.mark.parametrize("dialect", ["openai", "responses", "claude"])
def test_a_keepalive_is_a_frame_that_says_nothing(dialect: str) -> None:
    (frame,) = Decoder().feed(DIALECTS[dialect].keepalive)
    assert not frame.data or DIALECTS[dialect].watch(frame).content is False


def test_gemini_clients_are_kept_waiting_in_silence() -> None:
    assert DIALECTS["gemini"].keepalive == b""


def test_a_refused_thread_is_said_so_that_the_sdk_goes_on_without() -> None:
    error = BadRequest("no threads here", param="thread", code="thread_unsupported_request")
    body = DIALECTS["claude"].write_error(error)
    assert body["error"]["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert "details" not in DIALECTS["claude"].write_error(BadRequest("no"))["error"]


@pytest.mark.parametrize("code", ["thread_not_found", "thread_unsupported_request"])
def test_what_anthropic_says_of_a_thread_reaches_its_sdk(code: str) -> None:
    said = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "m", "details": {"error_code": code}},
    }
    fault = DIALECTS["claude"].read_error(400, orjson.dumps(said))
    assert fault.code == code
    body = DIALECTS["claude"].write_error(BadRequest(fault.message, code=fault.code))
    assert body["error"]["details"]["error_code"] == code
