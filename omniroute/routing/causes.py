"""Why an attempt has failed: one cause for what status, words, network and stream have shown.

The words are data: what providers say in their codes, types and messages, in lower case. They are looked for
in the order of the table, so that what says more stands first.
"""

from typing import Literal

from omniroute.dialects.fault import status_of
from omniroute.dialects.ir import Fault
from omniroute.routing.failure import Failure

type Cause = Literal[
    "auth", "missing", "request", "length", "rate", "quota", "overload", "server", "path", "network", "timeout",
    "filter", "gone", "unable",
]  # fmt: skip
"""
auth      the credential is refused, or may not do this      missing   there is no such model or path
request   the request itself is at fault                     length    it is longer than this model takes
rate      too many requests for now                          quota     nothing left until a reset or a payment
overload  the provider has too much to do                    server    the provider broke, or talks nonsense
network   it cannot be reached                               timeout   it is too slow
filter    the provider will not answer this                  gone      nobody waits for it any more
unable    it cannot be said there, or is not taken           path      the network proxy before it fails
"""

STATUS: dict[int, Cause] = {
    400: "request",
    401: "auth",
    402: "quota",
    403: "auth",
    404: "missing",
    405: "missing",
    408: "timeout",
    410: "missing",
    413: "length",
    422: "request",
    429: "rate",
    451: "filter",
    498: "rate",
    499: "server",
    502: "server",
    503: "overload",
    504: "timeout",
    522: "network",
    524: "timeout",
    529: "overload",
}
"""What a status alone says; another one of 5xx is the server's."""

WORDS: tuple[tuple[Cause, tuple[int, ...], tuple[str, ...]], ...] = (
    # cause, the statuses that it may stand behind, what is said then
    (
        "length",
        (400, 413, 422, 429, 500),
        (
            *("context_length", "context length", "context window", "prompt is too long", "maximum context"),
            *("exceed_context_size", "too many tokens", "input token count", "string_above_max_length"),
            *("request_too_large", "request too large for model", "reduce the length"),
        ),
    ),
    (
        "quota",
        (400, 402, 403, 429),
        (
            *("insufficient_quota", "exceeded your current quota", "credit balance", "billing", "insufficient balance"),
            *("insufficient_balance", "out of credits", "payment required", "quota exhausted", "usage limit reached"),
            *(
                "perday",
                "per day",
                "daily limit",
                "weekly limit",
                "monthly limit",
                "spending limit",
                "credits exhausted",
            ),
        ),
    ),
    (
        "auth",
        (400, 403, 404),
        (
            *("api key not valid", "invalid api key", "invalid_api_key", "api_key_invalid", "incorrect api key"),
            *("authentication_error", "unauthenticated", "token has expired", "expired token", "organization has been"),
        ),
    ),
    (
        "missing",
        (400, 403, 422, 500),
        (
            *("model_not_found", "model not found", "no such model", "unknown model", "model_not_available"),
            *("is not available in your", "decommissioned", "does not have access to model", "no endpoints found"),
        ),
    ),
    # A field or a model, said in the same words: another model may do it, and this one is none the worse for it.
    ("unable", (400, 403, 422), ("does not exist", "not supported", "unsupported")),
    (
        "filter",
        (400, 403, 422),
        ("content_filter", "content_policy_violation", "content management policy", "data_inspection_failed"),
    ),
    ("rate", (400, 403, 503), ("rate_limit", "rate limit", "too many requests", "throttl", "resource_exhausted")),
    ("rate", (400, 403), ("quota",)),
    (
        "overload",
        (400, 429, 500, 502),
        ("overloaded", "server_is_overloaded", "slow_down", "no capacity", "engine_overloaded"),
    ),
)

KINDS: dict[str, Cause] = {
    "proxy": "path",
    "connect": "network",
    "tls": "network",
    "deadline": "timeout",
    "empty": "server",
    "cut": "server",
    "garbage": "server",
    "unable": "unable",
    "limited": "unable",
    "client_gone": "gone",
    "hedged": "gone",
}
"""What a failure without an answer says."""


def cause(failure: Failure) -> Cause:
    """Find the one cause."""
    if failure.kind in KINDS:
        return KINDS[failure.kind]
    fault = failure.fault or Fault("", failure.message, status=failure.status)
    status = failure.status if failure.kind == "status" and failure.status else status_of(fault)
    words = f"{fault.kind} {fault.code or ''} {fault.message}".lower()
    for found, statuses, signs in WORDS:
        if status in statuses and any(sign in words for sign in signs):
            return found
    return STATUS.get(status, "server")
