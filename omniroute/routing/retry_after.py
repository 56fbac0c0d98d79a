"""Parse Retry-After and rate-limit headers, and hints in error bodies, into seconds.

All results are seconds from now. `now` is in seconds of the epoch, since some upstreams send a point in time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

MAX_WAIT = 31 * 86400.0
"""Maximum wait in seconds; longer ones are cut to a month."""

EPOCH = 1e9
"""A bare number from here on is a time in seconds of the epoch, not a duration."""
EPOCH_MS = 1e11
"""A bare number from here on is a time in milliseconds of the epoch."""

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
"""Units of Go durations, which OpenAI and Groq send: `6m0s`, `120ms`, `1h2m3.5s`."""
WORDS = {"millisecond": "ms", "second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d"}

_NUMBER = r"[0-9]{1,30}(?:\.[0-9]{1,30})?"
_PIECE = rf"({_NUMBER})\s*(ms|us|µs|ns|d|h|m|s|milliseconds?|sec(?:ond)?s?|min(?:ute)?s?|hours?|days?)(?![a-z])"
_SPAN = rf"{_NUMBER}\s*[a-zµ]+(?:[\s,]*(?:and\s+)?{_NUMBER}\s*[a-zµ]+)*"
PIECE = re.compile(_PIECE, re.IGNORECASE)
PIECES = re.compile(rf"(?:{_NUMBER}\s*[a-zµ]+[\s,]*(?:and\s+)?)+", re.IGNORECASE)
PLAIN = re.compile(_NUMBER)
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:")

IN_BODIES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf'"retryDelay"\s*:\s*"({_SPAN})"',  # Google's RetryInfo: "retryDelay": "33.5s"
        rf'"(?:resets_in_seconds|retry_after(?:_seconds)?)"\s*:\s*"?({_NUMBER})',  # ChatGPT subscriptions, proxies
        rf'"resets_at"\s*:\s*"?({_NUMBER}|[0-9]{{4}}-[^"]{{8,40}})',
        rf"(?:try|retry)(?:\s+again|\s+your\s+request)?\s+(?:in|after)\s+({_SPAN}|{_NUMBER})",
    )
)
"""Retry hints in error bodies, the most precise first; a number without a unit is in seconds."""
MOST_TEXT = 200
"""Maximum characters of a header value to parse."""
MOST_BODY = 16 * 1024
"""Maximum characters of a body to search."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The state of one rate limit, as an upstream reports it."""

    remaining: float
    limit: float | None
    reset: float | None
    """Seconds until it is fully restored."""


def parse_duration(text: str, now: float) -> float | None:
    """Parse `1.5`, `120ms`, `6m0s`, `2 minutes`, an epoch time, an HTTP or RFC 3339 date as seconds from `now`."""
    if len(text) > MOST_TEXT:
        return None
    text = text.strip()
    if PLAIN.fullmatch(text):
        number = float(text)
        if number >= EPOCH:
            number = (number / 1000 if number >= EPOCH_MS else number) - now
        return _bounded(number)
    if PIECES.fullmatch(text):
        pieces = PIECE.findall(text)
        if not pieces or PIECE.sub("", text).replace("and", "").strip(" ,"):
            return None
        return _bounded(sum(float(number) * _unit(unit) for number, unit in pieces))
    try:
        moment = datetime.fromisoformat(text) if MOMENT.match(text) else parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _bounded(moment.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def parse_retry_after(headers: Mapping[str, str], body: str, now: float) -> float | None:
    """Return the seconds until a refused request may be retried; None where the upstream gives no hint.

    Header names are in lower case, unless `headers` is case-insensitive.
    """
    if (text := headers.get("retry-after-ms")) and PLAIN.fullmatch(text.strip()):
        return _bounded(float(text) / 1000)
    if (text := headers.get("retry-after")) and (wait := parse_duration(text, now)) is not None:
        return wait
    if used_up := [
        wait for wait in (ratelimit_reset(headers, now), token_limit_reset(headers, now)) if wait is not None
    ]:
        return max(used_up)
    for pattern in IN_BODIES:
        if (said := pattern.search(body[:MOST_BODY])) and (wait := parse_duration(said[1], now)) is not None:
            return wait
    return None


def ratelimit_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until one more request is allowed, where a response's headers report that none is left.

    OpenAI, Groq and Anthropic refill continuously and report the time of a full refill: one request is restored sooner.
    """
    waits = []
    for allowance in _allowances(headers, REQUESTS, now):
        if allowance.remaining < 1 and allowance.reset is not None:
            whole = allowance.limit or 1.0
            waits.append(allowance.reset * min(1.0, (1 - allowance.remaining) / max(whole - allowance.remaining, 1.0)))
    if headers.get("anthropic-ratelimit-unified-status") == "rejected" and (
        text := headers.get("anthropic-ratelimit-unified-reset")
    ):
        reset = parse_duration(text, now)
        waits += [] if reset is None else [reset]
    return max(waits, default=None)


def token_limit_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until the token limit is fully restored, where no token is left."""
    used_up = [allowance.reset for allowance in _allowances(headers, TOKENS, now) if allowance.remaining < 1]
    return max((reset for reset in used_up if reset is not None), default=None)


type Names = tuple[str, str, str]
"""Names of the headers for the remaining amount, the limit and the reset."""

REQUESTS: tuple[Names, ...] = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-limit-requests", "x-ratelimit-reset-requests"),
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-reset",
    ),
    # A fixed window, as at OpenRouter: without a limit, nothing is restored before the reset.
    ("x-ratelimit-remaining", "", "x-ratelimit-reset"),
)
TOKENS: tuple[Names, ...] = (
    ("x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens"),
    *(
        (
            f"anthropic-ratelimit-{kind}-remaining",
            f"anthropic-ratelimit-{kind}-limit",
            f"anthropic-ratelimit-{kind}-reset",
        )
        for kind in ("tokens", "input-tokens", "output-tokens")
    ),
)


def _allowances(headers: Mapping[str, str], families: tuple[Names, ...], now: float) -> list[Allowance]:
    found = []
    for remaining, limit, reset in families:
        left = _number(headers.get(remaining))
        if left is not None:
            until = headers.get(reset)
            found.append(Allowance(left, _number(headers.get(limit)), parse_duration(until, now) if until else None))
    return found


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and PLAIN.fullmatch(text.strip()) else None


def _unit(word: str) -> float:
    word = word.lower()
    return UNITS[word] if word in UNITS else UNITS[WORDS[word.removesuffix("s")]]


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), MAX_WAIT) if isfinite(seconds) else None
