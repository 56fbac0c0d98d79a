"""Failures of attempts as values: the layer that detects one only describes it, `judge` decides what follows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from omniroute.dialects.ir import Fault
from omniroute.dialects.upstream_errors import status_of
from omniroute.errors import BadRequest, Exhausted, GatewayError, RateLimited, TimedOut, UpstreamFailed

type Kind = Literal[
    "proxy",
    "connect",
    "tls",
    "deadline",
    "status",
    "fault",
    "empty",
    "cut",
    "garbage",
    "unable",
    "limited",
    "client_gone",
    "hedged",
]
"""
proxy        the network proxy was unreachable, refused, or opened no tunnel in time: nothing is known of the
             upstream itself
connect      connection refused, host unreachable or unknown
tls          the handshake failed
deadline     a deadline passed; `phase` names it
status       a response with a status other than 2xx
fault        an error inside a response that began with 200
empty        a response that ended without content
cut          the connection or the response ended early
garbage      the response is not valid in the upstream's dialect, or too large to buffer
unable       the request cannot be expressed in the target's dialect; nothing was sent
limited      the account is at its limit, and the request does not wait for it; nothing was sent
client_gone  the client disconnected; not the target's fault
hedged       cancelled because a parallel attempt answered first; not the target's fault
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt."""

    kind: Kind
    message: str
    """One readable line about what went wrong, without the target's name."""
    status: int | None = None
    """The upstream's status, or the one in its error event."""
    fault: Fault | None = None
    phase: str | None = None
    retry_after: float | None = None
    """Seconds to wait, where the upstream gave them."""
    stale: bool = False
    """A reused keep-alive connection closed before any response byte: this says nothing about the upstream."""
    body: bytes = field(default=b"", repr=False)
    """The upstream's error body, decompressed, as far as it was read."""

    @property
    def label(self) -> str:
        """A short label for lists: `429`, `deadline first byte`, `cut`."""
        if self.kind == "status":
            return str(self.status)
        return f"{self.kind} {self.phase}" if self.phase else self.kind


type Cause = Literal[
    "auth", "missing", "request", "length", "rate", "quota", "overload", "server", "path", "network", "timeout",
    "filter", "gone", "unable",
]  # fmt: skip
"""
auth      the credential is invalid or lacks permission      missing   the model or path does not exist
request   the request itself is invalid                      length    it exceeds the model's context
rate      rate limited                                       quota     quota used up until a reset or a payment
overload  the provider is overloaded                         server    the provider failed, or its response is invalid
network   the provider is unreachable                        timeout   the provider is too slow
filter    a content filter refused the request               gone      the result is not needed any more
unable    not expressible or not supported there             path      the network proxy failed
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
"""Cause by status alone; any other 5xx is `server`."""

KIND_TEXTS: tuple[tuple[Cause, tuple[int, ...], tuple[str, ...]], ...] = (
    # cause, the statuses it may come with, texts that indicate it
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
    # The texts may mean a field or a model: another model may support it, and this one needs no cooldown.
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
"""Cause of a failure by its kind, where there is no upstream error."""


def cause(failure: Failure) -> Cause:
    """Classify a failure by its single cause."""
    if failure.kind in KINDS:
        return KINDS[failure.kind]
    fault = failure.fault or Fault("", failure.message, status=failure.status)
    status = failure.status if failure.kind == "status" and failure.status else status_of(fault)
    words = f"{fault.kind} {fault.code or ''} {fault.message}".lower()
    for found, statuses, signs in KIND_TEXTS:
        if status in statuses and any(sign in words for sign in signs):
            return found
    return STATUS.get(status, "server")


type Verdict = Literal["again", "account", "model", "stop"]
"""again: the same target on a fresh connection; account: the next target, also the same model by another account;
model: the next target of another model; stop: every target would fail in the same way."""
type Scope = Literal["model", "account", "provider"]
"""What goes into cooldown: an account for one model, an account for all models, or a provider."""


@dataclass(frozen=True, slots=True)
class Judgement:
    cause: Cause
    verdict: Verdict
    cools: Scope | None = None
    trips: bool = False
    """Whether it counts in the circuit breakers of its account and its provider."""

    @property
    def neutral(self) -> bool:
        """Whether it says nothing about the target's health."""
        return self.cools is None and not self.trips


TABLE: dict[Cause, Judgement] = {
    judgement.cause: judgement
    for judgement in (
        Judgement("auth", "account", "account"),
        Judgement("missing", "account", "model"),
        Judgement("request", "stop"),
        Judgement("length", "model"),
        Judgement("rate", "account", "model"),
        Judgement("quota", "account", "account"),
        Judgement("overload", "account", "model", trips=True),
        Judgement("server", "account", "model", trips=True),
        # The provider was not reached, so its breaker is not affected; another account may use another proxy.
        Judgement("path", "account", "account"),
        Judgement("network", "account", "provider", trips=True),
        Judgement("timeout", "account", "model", trips=True),
        Judgement("filter", "model"),
        Judgement("gone", "stop"),
        Judgement("unable", "model"),
    )
}

REFUSED_CREDENTIAL = (401, 402, 403)
"""The upstream refused our credential: to the client this is a gateway error, not its own."""

CLIENTS_OWN = (400, 422)
"""Statuses that the client's own request may have caused."""


def judge(failure: Failure) -> Judgement:
    """Decide where to go after a failure before the first content, and what goes into cooldown."""
    found = TABLE[cause(failure)]
    if failure.phase == "total":
        return Judgement(found.cause, "account")  # earlier targets may have used up the time
    return Judgement(found.cause, "again") if failure.stale and found.cause != "gone" else found


WAIT = 5.0
"""Retry-After in seconds where no upstream gave one: some clients do not retry a 429 without it."""

LIMITED = (429,)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """One failed attempt: its target and its failure."""

    target: str
    """`prefix/model`"""
    account: str
    failure: Failure

    def __str__(self) -> str:
        return f"{self.target} (account {self.account!r}): {self.failure.message}"


def outcome(attempts: Sequence[FailedAttempt], *, targets: int) -> GatewayError:
    """Choose the error response for the failed attempts of a plan with `targets` targets.

    An error caused by the client's own request keeps its status. A single target's status is kept too, except that a
    refused credential becomes a gateway error. Of several targets: RateLimited (429) when all are rate limited,
    TimedOut (504) when the total deadline has passed, else Exhausted (503). All but TimedOut carry the soonest retry
    time.
    """
    last = attempts[-1]
    if last.failure.status in CLIENTS_OWN and last.failure.kind in ("status", "fault"):
        code = last.failure.fault.code if last.failure.fault else None
        return BadRequest(str(last), status=last.failure.status, code=code)
    waits = [a.failure.retry_after for a in attempts if a.failure.retry_after is not None]
    soonest = min(waits) if waits else WAIT
    if targets == 1:
        return _single(last, soonest)
    if last.failure.phase == "total":
        return TimedOut(f"the time for the whole request is over: {_listed(attempts)}")
    said = _listed(attempts)
    if all(a.failure.status in LIMITED for a in attempts):
        full = last.failure.fault.code if last.failure.kind == "limited" and last.failure.fault else None
        return RateLimited(f"every target is rate limited: {said}", retry_after=soonest, code=full)
    return Exhausted(f"every target failed: {said}", retry_after=soonest)


def _listed(attempts: Sequence[FailedAttempt]) -> str:
    return "; ".join(f"{i}. {attempt}" for i, attempt in enumerate(attempts, 1))


def _single(attempt: FailedAttempt, wait: float) -> GatewayError:
    failure = attempt.failure
    words = str(attempt)
    code = failure.fault.code if failure.fault else None
    if failure.kind == "deadline":
        return TimedOut(words)
    if failure.status in LIMITED:
        return RateLimited(words, retry_after=wait, code=code)
    if failure.status in REFUSED_CREDENTIAL:
        return UpstreamFailed(f"{words}. Check this account's credential: `omniroute-ctl provider test`")
    if failure.kind in ("status", "fault") and failure.status is not None and 400 <= failure.status <= 599:
        return UpstreamFailed(words, status=failure.status, code=code, retry_after=failure.retry_after)
    return UpstreamFailed(words)
