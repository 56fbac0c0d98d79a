"""What a failure means: one cause, where to go next, who cools down."""

from typing import get_args

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.ir import Fault
from omniroute.dialects.upstream_errors import read_error
from omniroute.routing.failures import KIND_TEXTS, KINDS, STATUS, TABLE, Cause, Failure, Kind, cause, judge

faults = st.none() | st.builds(
    Fault,
    st.text(max_size=20),
    st.text(max_size=40),
    st.none() | st.text(max_size=20),
    st.none() | st.integers(100, 599),
)
failures = st.builds(
    Failure,
    st.sampled_from(get_args(Kind.__value__)),
    st.text(max_size=60),
    status=st.none() | st.integers(100, 599),
    fault=faults,
    stale=st.booleans(),
)


def refusal(status: int, body: str) -> Failure:
    """Fail as a target does that answers with this."""
    fault = read_error(status, body.encode())
    return Failure("status", f"{status} {fault.message}", status=status, fault=fault, body=body.encode())


def test_every_cause_and_every_kind_is_judged() -> None:
    causes = set(get_args(Cause.__value__))
    assert causes == set(TABLE)
    assert causes == {*STATUS.values(), *KINDS.values(), *(found for found, _, _ in KIND_TEXTS)}
    assert set(KINDS) | {"status", "fault"} == set(get_args(Kind.__value__))


@given(failures)
def test_it_judges_everything(failure: Failure) -> None:
    found = judge(failure)
    assert (found.verdict == "stop") == (
        found.cause in ("request", "gone") and not failure.stale
    ) or found.cause == "gone"
    assert (found.verdict == "again") == (failure.stale and found.cause != "gone")
    assert found.neutral or found.cools


@every(
    ("status", "body", "said"),
    [
        (400, '{"error":{"message":"messages: field required","type":"invalid_request_error"}}', "request"),
        (422, '{"detail":[{"loc":["body","messages"],"msg":"field required"}]}', "request"),
        (400, '{"error":{"message":"This model\'s maximum context length is 8192 tokens."}}', "length"),
        (400, '{"error":{"message":"no","code":"context_length_exceeded"}}', "length"),
        (
            400,
            '{"type":"error","error":{"type":"x","message":"prompt is too long: 2 > 1"}}',
            "length",
        ),
        (
            413,
            '{"type":"error","error":{"type":"request_too_large","message":"too big"}}',
            "length",
        ),
        (400, '{"type":"error","error":{"type":"x","message":"Your credit balance is too low to access"}}', "quota"),
        (429, '{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}', "quota"),
        (
            429,
            '{"error":{"status":"RESOURCE_EXHAUSTED","message":"exceeded for RequestsPerDay"}}',
            "quota",
        ),
        (402, '{"error":{"message":"Insufficient Balance"}}', "quota"),
        (429, '{"error":{"message":"Rate limit reached for gpt-4o","code":"rate_limit_exceeded"}}', "rate"),
        (429, '{"error":{"status":"RESOURCE_EXHAUSTED","message":"Resource has been exhausted"}}', "rate"),
        (
            400,
            '{"error":{"message":"API key not valid.","status":"INVALID_ARGUMENT"}}',
            "auth",
        ),
        (401, '{"error":{"message":"Incorrect API key provided"}}', "auth"),
        (403, '{"error":{"message":"Permission denied"}}', "auth"),
        (404, '{"error":{"message":"The model `gpt-9` does not exist","code":"model_not_found"}}', "missing"),
        (400, '{"error":{"message":"\'temperature\' is not supported with this model."}}', "unable"),
        (400, '{"error":{"message":"filtered","code":"content_filter"}}', "filter"),
        (529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "overload"),
        (503, '{"error":{"code":503,"status":"UNAVAILABLE","message":"The model is overloaded."}}', "overload"),
        (500, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "overload"),
        (500, "<html><title>oops</title></html>", "server"),
        (502, "", "server"),
        (504, "", "timeout"),
        (408, "", "timeout"),
        (301, "", "server"),
    ],
)
def test_what_providers_say(status: int, body: str, said: Cause) -> None:
    assert cause(refusal(status, body)) == said


@every(
    ("fault", "said"),
    [
        (Fault("overloaded_error", "Overloaded"), "overload"),
        (Fault("rate_limit_error", "slow down"), "rate"),
        (Fault("server_error", "x", "server_is_overloaded"), "overload"),
        (Fault("error", "x", status=429), "rate"),
        (Fault("authentication_error", "x"), "auth"),
        (Fault("error", "whatever"), "server"),
    ],
)
def test_an_error_inside_a_stream_is_read_as_its_status(fault: Fault, said: Cause) -> None:
    assert cause(Failure("fault", fault.message, status=fault.status, fault=fault)) == said


@every(
    ("failure", "said"),
    [
        (Failure("proxy", "proxy http://p:1: cannot connect"), "path"),
        (Failure("connect", "refused"), "network"),
        (Failure("tls", "certificate"), "network"),
        (Failure("deadline", "late", phase="first byte"), "timeout"),
        (Failure("cut", "broke"), "server"),
        (Failure("garbage", "x", status=400), "server"),
        (Failure("unable", "x", status=400), "unable"),
        (Failure("client_gone", "left"), "gone"),
    ],
)
def test_what_came_without_an_answer(failure: Failure, said: Cause) -> None:
    assert cause(failure) == said


def test_who_cools_down() -> None:
    cools = {found: judgement.cools for found, judgement in TABLE.items()}
    assert cools == {
        **dict.fromkeys(("missing", "rate", "overload", "server", "timeout"), "model"),
        **dict.fromkeys(("auth", "quota", "path"), "account"),
        "network": "provider",
        **dict.fromkeys(("request", "length", "filter", "gone", "unable")),
    }
    assert {found for found, judgement in TABLE.items() if judgement.trips} == {
        "overload",
        "server",
        "network",
        "timeout",
    }


def test_another_account_may_have_the_model() -> None:
    assert judge(refusal(404, '{"error":{"message":"no such model","code":"model_not_found"}}')).verdict == "account"
    for cause_ in ("length", "filter", "unable"):
        assert TABLE[cause_].verdict == "model", "no account makes the model larger"


def test_a_stale_connection_is_asked_again_and_says_nothing() -> None:
    found = judge(Failure("cut", "closed", stale=True))
    assert found.verdict == "again"
    assert found.neutral
