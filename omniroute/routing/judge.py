"""What a failure means for what comes next. A table and two functions; no state, no clock."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Literal

from omniroute.routing.failure import Failure

type Verdict = Literal["again", "next", "stop"]
"""again: the same target on a fresh connection; next: the next target; stop: every target would say the same."""

ACCOUNT_OR_TARGET = (
    "context_length",
    "context length",
    "context window",
    "prompt is too long",
    "too many tokens",
    "maximum context",
    "exceed_context_size",
    "credit balance",
    "billing",
    "quota",
    "api key not valid",
    "invalid api key",
    "model_not_found",
    "model not found",
    "does not exist",
    "not supported",
    "unsupported",
)
"""Words in a 400 or 422 that speak of this account's or this model's limits, so that another target may do it."""

REFUSED_CREDENTIAL = (401, 402, 403)
"""The upstream refused our account: for the client that is a fault of the gateway, never its own."""

CLIENTS_OWN = (400, 422)


def judge(failure: Failure) -> Verdict:
    """Decide where to go after a failure before the first content."""
    if failure.kind == "client_gone":
        return "stop"
    if failure.stale:
        return "again"
    if failure.status in CLIENTS_OWN and failure.kind in ("status", "fault"):
        return "next" if _about_the_target(failure) else "stop"
    return "next"


def _about_the_target(failure: Failure) -> bool:
    words = failure.message
    if failure.fault:
        words = f"{failure.fault.kind} {failure.fault.code} {failure.fault.message}"
    words = words.lower()
    return any(sign in words for sign in ACCOUNT_OR_TARGET)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read `retry-after-ms` or `Retry-After` (seconds or an HTTP date) as seconds from `now`; None when absent."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return _bounded(float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if not value:
            return None
        if value.strip().replace(".", "", 1).isdigit():
            return _bounded(float(value))
        return _bounded(parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float | None:
    return None if isnan(seconds) else min(max(seconds, 0.0), 31 * 86400.0)
