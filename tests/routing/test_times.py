"""For how long an upstream wants to be left alone."""

from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from cases import every
from hypothesis import example, given
from hypothesis import strategies as st

from omniroute.routing.retry_after import (
    MAX_WAIT,
    parse_duration,
    parse_retry_after,
    ratelimit_reset,
    token_limit_reset,
)

NOW = 1_700_000_000.0
WHEN = datetime.fromtimestamp(NOW + 90, UTC)

OPENAI = "x-ratelimit-{}-requests"
CLAUDE = "anthropic-ratelimit-requests-{}"


@every(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("1s", 1.0),
        ("120ms", 0.12),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("1h2m3.5s", 3723.5),
        ("1d2h", 93600.0),
        ("850µs", 0.00085),
        ("20 seconds", 20.0),
        ("1 minute", 60.0),
        ("2 minutes and 5 seconds", 125.0),
        ("1 hour, 30 min", 5400.0),
        (f"{NOW + 90:.0f}", 90.0),
        (f"{(NOW + 90) * 1000:.0f}", 90.0),
        (f"{NOW - 90:.0f}", 0.0),
        ("9" * 25, MAX_WAIT),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (WHEN.strftime("%Y-%m-%dT%H:%M:%SZ"), 90.0),
        (WHEN.strftime("%Y-%m-%dT%H:%M:%S.500Z"), 90.5),
        (WHEN.strftime("%Y-%m-%dT%H:%M:%S"), 90.0),
        (WHEN.isoformat(), 90.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("7²", None),
        ("nan", None),
        ("5 apples", None),
        ("1s2x", None),
        ("2026-99-99T00:00:00Z", None),
        ("Fri, 31 Dec 2027 23:59:59 +99999999999999999999", None),
    ],
)
def test_a_time_is_read_in_all_its_forms(text: str, seconds: float | None) -> None:
    assert parse_duration(text, NOW) == pytest.approx(seconds)


@given(
    st.text(max_size=60) | st.from_regex(r"[0-9.]{0,9} ?(ms|[smhd])( and|,)? ?[0-9.]{0,9}[smhd]?"), st.floats(0, 1e10)
)
@example("0" * 40, 0.0)
def test_any_text_is_a_bounded_time_or_none(text: str, now: float) -> None:
    for seconds in (
        parse_duration(text, now),
        parse_retry_after({"retry-after": text, "retry-after-ms": text}, text, now),
    ):
        assert seconds is None or 0 <= seconds <= MAX_WAIT


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_span_adds_up(hours: int, minutes: int, seconds: int, ms: int) -> None:
    whole = hours * 3600 + minutes * 60 + seconds + ms / 1000
    assert parse_duration(f"{hours}h{minutes}m{seconds}s{ms}ms", NOW) == pytest.approx(whole)
    assert parse_duration(f"{hours} hours {minutes} minutes {seconds + ms / 1000:.3f} seconds", NOW) == pytest.approx(
        whole
    )


@every(
    ("headers", "body", "seconds"),
    [
        ({}, "", None),
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": formatdate(NOW + 60, usegmt=True)}, "", 60.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, "", 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, "", 7.0),
        ({"retry-after": "soon"}, "Please try again in 3s.", 3.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, "", 360.0),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, "", None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{(NOW + 5) * 1000:.0f}"}, "", 5.0),
        ({}, "Rate limit reached for gpt-5 in organization org-1. Please try again in 1.5s. Visit …", 1.5),
        ({}, "Limit 30000, Requested 41. Please try again in 6m0.25s.", 360.25),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Please retry after 20 seconds.", 20.0),
        ({}, "You exceeded your current quota. Please retry in 33.512s.", 33.512),
        ({}, '{"error":{"details":[{"@type":"…RetryInfo","retryDelay": "12s"}]}}', 12.0),
        ({}, '{"error":{"type":"usage_limit_reached","resets_at":1700000100,"resets_in_seconds":99}}', 99.0),
        ({}, '{"error":{"type":"usage_limit_reached","resets_at":1700000100}}', 100.0),
        ({}, '{"retry_after": 2.5}', 2.5),
        ({}, "Please try again in a while", None),
        ({}, "Too many requests", None),
    ],
)
def test_a_refusal_says_for_how_long(headers: dict[str, str], body: str, seconds: float | None) -> None:
    assert parse_retry_after(headers, body, NOW) == pytest.approx(seconds)


@every(
    ("remaining", "limit", "reset", "seconds"),
    [
        ("0", "60", "1m0s", 1.0),  # fills up steadily: all is back in a minute, one request in a second
        ("0", "14400", "86400", 6.0),
        ("0", None, "1m0s", 60.0),
        ("0", "1", "500ms", 0.5),
        ("0", "nonsense", "3s", 3.0),
        ("1", "60", "59s", None),
        ("0", "60", None, None),
        ("nonsense", "60", "59s", None),
    ],
)
@every("family", [OPENAI, CLAUDE])
def test_when_no_request_is_left_one_is_back_soon(
    family: str, remaining: str, limit: str | None, reset: str | None, seconds: float | None
) -> None:
    said = {"remaining": remaining, "limit": limit, "reset": reset}
    headers = {family.format(name): value for name, value in said.items() if value is not None}
    assert ratelimit_reset(headers, NOW) == pytest.approx(seconds)
    assert token_limit_reset(headers, NOW) is None


def test_a_subscription_is_used_up_until_its_window_ends() -> None:
    headers = {"anthropic-ratelimit-unified-status": "rejected", "anthropic-ratelimit-unified-reset": "1700003600"}
    assert ratelimit_reset(headers, NOW) == 3600.0
    assert ratelimit_reset(headers | {"anthropic-ratelimit-unified-status": "allowed"}, NOW) is None


@pytest.mark.parametrize("kind", ["tokens", "input-tokens", "output-tokens"])
def test_tokens_of_every_kind_count(kind: str) -> None:
    said = {"remaining": "0", "limit": "1000", "reset": WHEN.isoformat()}
    assert token_limit_reset({f"anthropic-ratelimit-{kind}-{name}": value for name, value in said.items()}, NOW) == 90.0


@given(st.text(max_size=300) | st.text("0123456789smhd .,:TZ-+and", max_size=300))
def test_any_text_is_a_time_within_bounds_or_none(text: str) -> None:
    none_left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}
    for headers in ({"retry-after": text}, {"retry-after-ms": text}, none_left):
        wait = parse_retry_after(headers, text, 1_700_000_000.0)
        assert wait is None or 0 <= wait <= MAX_WAIT


@every("text", ["9" * 10_000, "1s" * 10_000, " " * 10_000 + "1", "inf", "nan", "-5", "1e9", "9" * 30])
def test_times_that_are_too_long_or_no_numbers_are_bounded(text: str) -> None:
    wait = parse_retry_after({"retry-after": text}, "", 0.0)
    assert wait is None or 0 <= wait <= MAX_WAIT
