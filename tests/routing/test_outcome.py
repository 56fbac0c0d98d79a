"""What the client is told when nobody has answered."""

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.ir import Fault
from omniroute.errors import BadRequest, Exhausted, GatewayError, RateLimited, TimedOut, UpstreamFailed
from omniroute.routing.failures import WAIT, FailedAttempt, Failure, outcome

LIMITED = Failure("status", "429 slow down", status=429)
BROKEN = Failure("status", "500 oops", status=500)


def failed(*failures: Failure) -> list[FailedAttempt]:
    return [FailedAttempt(f"box{i}/m", f"name {i}", failure) for i, failure in enumerate(failures, 1)]


@every(
    ("failure", "kind", "status"),
    [
        (Failure("connect", "refused"), UpstreamFailed, 502),
        (Failure("tls", "no TLS"), UpstreamFailed, 502),
        (Failure("cut", "cut"), UpstreamFailed, 502),
        (Failure("garbage", "junk"), UpstreamFailed, 502),
        (Failure("empty", "nothing"), UpstreamFailed, 502),
        (Failure("deadline", "late", phase="first byte"), TimedOut, 504),
        (LIMITED, RateLimited, 429),
        (BROKEN, UpstreamFailed, 500),
        (Failure("status", "529 overloaded", status=529), UpstreamFailed, 529),
        (Failure("status", "404 no model", status=404), UpstreamFailed, 404),
        (Failure("status", "401 wrong key", status=401), UpstreamFailed, 502),
        (Failure("status", "402 pay", status=402), UpstreamFailed, 502),
        (Failure("status", "403 no", status=403), UpstreamFailed, 502),
        (Failure("status", "302 elsewhere", status=302), UpstreamFailed, 502),
        (Failure("status", "400 bad", status=400), BadRequest, 400),
        (Failure("fault", "422 bad", status=422), BadRequest, 422),
        (Failure("fault", "overloaded", status=503), UpstreamFailed, 503),
        (Failure("fault", "overloaded"), UpstreamFailed, 502),
    ],
)
def test_one_target_keeps_its_own_status(failure: Failure, kind: type[GatewayError], status: int) -> None:
    error = outcome(failed(failure), targets=1)
    assert (type(error), error.status) == (kind, status)
    assert failure.message in error.message
    assert "box1/m" in error.message
    assert "'name 1'" in error.message


def test_a_refused_credential_says_what_to_do() -> None:
    assert "provider test" in outcome(failed(Failure("status", "401 no", status=401)), targets=1).message


def test_the_code_of_one_targets_refusal_is_kept() -> None:
    fault = Fault("invalid_request_error", "too long", "context_length_exceeded")
    for status in (400, 404, 429):
        error = outcome(failed(Failure("status", "too long", status=status, fault=fault)), targets=1)
        assert error.code == "context_length_exceeded"


def test_several_targets_are_all_named_in_their_order() -> None:
    error = outcome(failed(BROKEN, LIMITED, Failure("cut", "cut")), targets=3)
    assert (type(error), error.status) == (Exhausted, 503)
    places = [error.message.index(f"{i}. box{i}/m (account 'name {i}')") for i in (1, 2, 3)]
    assert places == sorted(places)


def test_all_limited_is_429() -> None:
    error = outcome(failed(LIMITED, LIMITED), targets=2)
    assert (type(error), error.status) == (RateLimited, 429)


@pytest.mark.parametrize("targets", [1, 2])
def test_a_429_always_says_how_long(targets: int) -> None:
    assert outcome(failed(LIMITED), targets=targets).retry_after == WAIT


def test_the_soonest_reset_is_told() -> None:
    waits = [Failure("status", "429", status=429, retry_after=wait) for wait in (60.0, 7.0, 30.0)]
    assert outcome(failed(*waits), targets=3).retry_after == 7.0
    assert outcome(failed(BROKEN, *waits[:1]), targets=2).retry_after == 60.0
    assert outcome(failed(BROKEN, BROKEN), targets=2).retry_after == WAIT


def test_a_reset_of_nought_seconds_is_a_time_too() -> None:
    now = Failure("status", "429", status=429, retry_after=0.0)
    assert outcome(failed(now), targets=1).retry_after == 0.0


def test_a_refusal_of_the_clients_own_making_keeps_its_status_among_many() -> None:
    error = outcome(failed(BROKEN, Failure("status", "400 bad field", status=400)), targets=5)
    assert (type(error), error.status) == (BadRequest, 400)
    assert "bad field" in error.message


failures = st.builds(
    Failure,
    st.sampled_from(["connect", "tls", "deadline", "status", "fault", "empty", "cut", "garbage", "unable"]),
    st.text(min_size=1, max_size=20),
    status=st.none() | st.integers(300, 599),
    retry_after=st.none() | st.floats(0, 100),
)


@given(st.lists(failures, min_size=1, max_size=6), st.integers(0, 3))
def test_it_is_always_an_error_that_says_everything(seen: list[Failure], untried: int) -> None:
    targets = len(seen) + untried
    error = outcome(failed(*seen), targets=targets)
    assert 400 <= error.status <= 599
    assert seen[-1].message in error.message
    if isinstance(error, Exhausted | RateLimited):
        assert error.retry_after is not None
        assert targets == 1 or all(failure.message in error.message for failure in seen)
    if error.status in (401, 402, 403):
        raise AssertionError("the client would take our account's trouble for its own")
