"""What a failure means for what comes next, and for whom. A table and a function; no state, no clock."""

from dataclasses import dataclass
from typing import Literal

from omniroute.routing.causes import Cause, cause
from omniroute.routing.failure import Failure

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
