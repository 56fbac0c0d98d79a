"""How an attempt failed, as a value: the layer that saw it only says so, `judge` decides what it means."""

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
proxy        the network proxy could not be reached, refused, or opened no tunnel in time: the path failed, and
             nothing is known of the upstream
connect      refused, unreachable, no such host
tls          the handshake failed
deadline     too late; `phase` says which of the deadlines
status       an answer that is not 2xx
fault        an error inside a reply that began with 200
empty        a reply that ended without having said anything
cut          the connection or the reply ended too early
garbage      what came is not the upstream's dialect, or is too large to be held
unable       the request cannot be said in the target's dialect; nothing was sent
limited      the account is at its limit, and nobody waits longer for it; nothing was sent
client_gone  the client left; no fault of the target
hedged       another target was asked beside it, and has answered first; no fault of the target
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt."""

    kind: Kind
    message: str
    """One line for a person: what went wrong, without the target's name."""
    status: int | None = None
    """The upstream's status, or the one that a fault names."""
    fault: Fault | None = None
    phase: str | None = None
    retry_after: float | None = None
    """Seconds, where the upstream said so."""
    stale: bool = False
    """A kept-alive connection closed before anything came: it says nothing about the upstream."""
    body: bytes = field(default=b"", repr=False)
    """The upstream's error body, decoded, as far as it was read."""

    @property
    def label(self) -> str:
        """Say it in a word or two, for lists: `429`, `deadline first byte`, `cut`."""
        if self.kind == "status":
            return str(self.status)
        return f"{self.kind} {self.phase}" if self.phase else self.kind


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

KIND_TEXTS: tuple[tuple[Cause, tuple[int, ...], tuple[str, ...]], ...] = (
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
    for found, statuses, signs in KIND_TEXTS:
        if status in statuses and any(sign in words for sign in signs):
            return found
    return STATUS.get(status, "server")


type Verdict = Literal["again", "account", "model", "stop"]
"""again: the same target on a fresh connection; account: the next target, be it the same model by another account;
model: the next target of another model; stop: every target would say the same."""
type Scope = Literal["model", "account", "provider"]
"""What has to cool down: an account for one model, an account for all models, a provider."""


@dataclass(frozen=True, slots=True)
class Judgement:
    cause: Cause
    verdict: Verdict
    cools: Scope | None = None
    trips: bool = False
    """It counts in the circuit breakers of its account and its provider."""

    @property
    def neutral(self) -> bool:
        """Whether it says nothing about the target at all."""
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
        # The provider was never reached, and no breaker of it opens; another account may go another way.
        Judgement("path", "account", "account"),
        Judgement("network", "account", "provider", trips=True),
        Judgement("timeout", "account", "model", trips=True),
        Judgement("filter", "model"),
        Judgement("gone", "stop"),
        Judgement("unable", "model"),
    )
}

REFUSED_CREDENTIAL = (401, 402, 403)
"""The upstream refused our account: for the client that is a fault of the gateway, never its own."""

CLIENTS_OWN = (400, 422)
"""Statuses that a client may have earned itself."""


def judge(failure: Failure) -> Judgement:
    """Decide where to go after a failure before the first content, and what it says about whom."""
    found = TABLE[cause(failure)]
    if failure.phase == "total":
        return Judgement(found.cause, "account")  # others may have taken the time
    return Judgement(found.cause, "again") if failure.stale and found.cause != "gone" else found


WAIT = 5.0
"""Seconds to wait where no upstream said how long: some clients give up at a 429 that names no time."""

LIMITED = (429,)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """One attempt of the list: which target, and how it failed."""

    target: str
    """`prefix/model`"""
    account: str
    failure: Failure

    def __str__(self) -> str:
        return f"{self.target} (account {self.account!r}): {self.failure.message}"


def outcome(attempts: Sequence[FailedAttempt], *, targets: int) -> GatewayError:
    """Choose status and words for the failed attempts of a plan with so many targets.

    A refusal of the client's own making keeps its status. With one target its own status is kept too, except
    that a refused credential is the gateway's fault and not the client's. With several: 429 when all are
    limited, 504 when the time for all of them is over, else 503. All but that carry the soonest reset.
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
