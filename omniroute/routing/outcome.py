"""What the client is told when no target has answered."""

from collections.abc import Sequence
from dataclasses import dataclass

from omniroute.errors import BadRequest, Exhausted, GatewayError, RateLimited, TimedOut, UpstreamFailed
from omniroute.routing.failure import Failure
from omniroute.routing.judge import CLIENTS_OWN, REFUSED_CREDENTIAL

WAIT = 5.0
"""Seconds to wait where no upstream said how long: some clients give up at a 429 that names no time."""

LIMITED = (429,)


@dataclass(frozen=True, slots=True)
class Failed:
    """One attempt of the list: which target, and how it failed."""

    target: str
    """`prefix/model`"""
    account: str
    failure: Failure

    def __str__(self) -> str:
        return f"{self.target} (account {self.account!r}): {self.failure.message}"


def outcome(attempts: Sequence[Failed], *, targets: int) -> GatewayError:
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


def _listed(attempts: Sequence[Failed]) -> str:
    return "; ".join(f"{i}. {attempt}" for i, attempt in enumerate(attempts, 1))


def _single(attempt: Failed, wait: float) -> GatewayError:
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
