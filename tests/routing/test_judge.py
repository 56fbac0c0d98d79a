"""What a failure means for what comes next."""

from email.utils import formatdate
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.ir import Fault
from omniroute.routing.failure import Failure, Kind
from omniroute.routing.judge import ACCOUNT_OR_TARGET, judge, retry_after

KINDS = get_args(Kind.__value__)
MONTH = 31 * 86400.0
faults = st.none() | st.builds(
    Fault,
    st.text(max_size=20),
    st.text(max_size=40),
    st.none() | st.text(max_size=20),
    st.none() | st.integers(100, 599),
)
failures = st.builds(
    Failure,
    st.sampled_from(KINDS),
    st.text(max_size=60),
    status=st.none() | st.integers(100, 599),
    fault=faults,
    stale=st.booleans(),
)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "client_gone"])
def test_every_failure_of_a_target_moves_on(kind: Kind) -> None:
    assert judge(Failure(kind, "oops")) == "next"


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 409, 413, 424, 429, 500, 502, 503, 504, 529, 301])
@pytest.mark.parametrize("kind", ["status", "fault"])
def test_every_other_status_moves_on(kind: Kind, status: int) -> None:
    assert judge(Failure(kind, f"status {status}", status=status)) == "next"


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("kind", ["status", "fault"])
def test_what_is_the_clients_own_stops(kind: Kind, status: int) -> None:
    assert judge(Failure(kind, "messages: field required", status=status)) == "stop"


@pytest.mark.parametrize("kind", ["connect", "cut", "garbage", "empty", "unable"])
def test_a_400_of_another_kind_is_no_refusal(kind: Kind) -> None:
    assert judge(Failure(kind, "oops", status=400)) == "next"


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8192 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Your credit balance is too low to access the API.",
        "API key not valid. Please pass a valid API key.",
        "The model `gpt-9` does not exist",
        "'temperature' is not supported with this model.",
        "Quota exceeded for this project",
    ],
)
def test_a_limit_of_the_account_or_the_model_moves_on(words: str) -> None:
    assert judge(Failure("status", words, status=400)) == "next"
    assert judge(Failure("status", "status 400", status=400, fault=Fault("invalid", words))) == "next"


@pytest.mark.parametrize("code", ["context_length_exceeded", "model_not_found", "insufficient_quota"])
def test_a_code_alone_is_enough(code: str) -> None:
    fault = Fault("invalid_request_error", "no", code)
    assert judge(Failure("status", "400 no", status=400, fault=fault)) == "next"


@given(failures, st.sampled_from(ACCOUNT_OR_TARGET), st.text(max_size=10))
def test_such_words_never_stop(failure: Failure, words: str, more: str) -> None:
    if failure.kind != "client_gone" and failure.fault is None:
        said = Failure(failure.kind, f"{more}{words.upper()}{more}", status=400)
        assert judge(said) == "next"


@given(failures)
def test_only_two_things_stop_and_only_a_stale_connection_asks_again(failure: Failure) -> None:
    verdict = judge(failure)
    assert (verdict == "again") == (failure.stale and failure.kind != "client_gone")
    if verdict == "stop" and failure.kind != "client_gone":
        assert failure.status in (400, 422)
        assert failure.kind in ("status", "fault")
    if failure.kind == "client_gone":
        assert verdict == "stop"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "9" * 20}, MONTH),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": formatdate(1060, usegmt=True)}, 60.0),
        ({"retry-after": formatdate(940, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after-ms": "inf"}, MONTH),
        ({"retry-after": "7²"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359"}, MONTH),
        ({"retry-after": "Fri, 31 Dec 2027 23:59:59 +99999999999999999999"}, None),
        ({"retry-after": "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"}, None),
    ],
)
def test_how_long_an_upstream_says_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, 1000.0) == seconds


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=40)), st.floats(0, 1e10))
def test_any_text_is_a_bounded_time_or_none(headers: dict[str, str], now: float) -> None:
    seconds = retry_after(headers, now)
    assert seconds is None or 0 <= seconds <= MONTH


def test_a_label_says_it_in_a_word_or_two() -> None:
    assert Failure("status", "status 429", status=429).label == "429"
    assert Failure("deadline", "late", phase="first byte").label == "deadline first byte"
    assert Failure("fault", "oops", status=500).label == "fault"
