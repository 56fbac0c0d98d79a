"""What a failed attempt teaches: what its upstream said, whom that is held against, and what comes next."""

from collections.abc import Callable
from dataclasses import replace
from math import inf

from omniroute.addons.conversations import upstream_lost_state
from omniroute.config.deadlines import Deadlines
from omniroute.config.settings import Settings
from omniroute.dialects import hub
from omniroute.dialects.ir import Fault
from omniroute.dialects.registry import DIALECTS
from omniroute.errors import GatewayError, TimedOut
from omniroute.gateway.exchange import AttemptRecord, Exchange, Waiting
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.ports import Attempt
from omniroute.routing.attempt_policy import deadline_of
from omniroute.routing.failures import WAIT, FailedAttempt, Failure, Verdict, judge, outcome
from omniroute.routing.plan import Target
from omniroute.routing.rate_limits import Wait


def handle_failure(runtime: Runtime, exchange: Exchange, asked: AttemptRecord) -> Verdict:
    """Understand and note the failure of an attempt, let go of its account, and say who is asked next."""
    failure = asked.attempt.failure = _understood(asked, asked.failed.failure)
    runtime.choosing.attempt_ended(exchange, asked)
    return "again" if upstream_lost_state(exchange, failure) else judge(failure).verdict


def handle_lost_hedge(runtime: Runtime, exchange: Exchange, attempt: Attempt) -> None:
    """Learn from an attempt that has ended while another goes on."""
    asked = next(asked for asked in exchange.attempts_made if asked.attempt is attempt)
    asked.superseded = True
    verdict = handle_failure(runtime, exchange, asked)
    if asked.failed.failure.kind == "hedged":
        exchange.remaining.append(asked.target)  # it may still go on with an answer that breaks off
    elif verdict == "again":
        exchange.remaining.insert(0, asked.target)
    elif verdict == "model":
        exchange.spend_model(asked.target)
    elif verdict == "stop":
        exchange.decisive_refusal = exchange.decisive_refusal or asked
    if left := exchange.last:
        left.attempt.last = not exchange.remaining


def _understood(asked: AttemptRecord, failure: Failure) -> Failure:
    """Read what the upstream said of its error."""
    if failure.kind == "status" and failure.status is not None:
        fault = DIALECTS[asked.target.dialect].read_error(failure.status, failure.body)
        failure = replace(failure, fault=fault, message=f"{failure.status} {fault.message}")
    return failure


def end_of(exchange: Exchange, target: Target, rules: Settings) -> float | None:
    """Give when an exchange is too late at a target, on the runtime's clock; None for never."""
    total = deadline_of(target, "total", rules)
    return exchange.received + total if total else None


def latest_deadline(exchange: Exchange, rules: Settings) -> float:
    """Give when it is too late for all targets that are yet to be asked."""
    return max((_end(exchange, target, rules) for target in exchange.remaining), default=inf)


def targets_in_time(exchange: Exchange, now: float) -> list[Target]:
    """Give the open targets that there is time for; TimedOut when it is too late for all of them."""
    if not exchange.config.hurries:
        return exchange.remaining
    rules = exchange.config.rules
    left = still_open(exchange, now)
    if not left:
        seconds = max(deadline_of(target, "total", rules) for target in exchange.remaining)
        tried = "; ".join(map(str, exchange.failures()))
        raise TimedOut(f"the deadline for the whole request of {seconds:g} s has passed{tried and f': {tried}'}")
    return left


def still_open(exchange: Exchange, now: float) -> list[Target]:
    """Give the open targets that there is time for."""
    return [target for target in exchange.remaining if _end(exchange, target, exchange.config.rules) > now]


def _end(exchange: Exchange, target: Target, rules: Settings) -> float:
    end = end_of(exchange, target, rules)
    return inf if end is None else end


type Waits = list[tuple[Target, Wait]]


def enqueue(
    runtime: Runtime, exchange: Exchange, targets: list[Target], wake: Callable[[], None], other: float | None
) -> None:
    """Let an exchange wait for the first of some targets, which all are at their limits.

    `other` is in how many seconds another target may be asked: then it looks again, and until then it is not
    refused. Raises what the client is told where it has waited long enough, would wait in vain, or too many wait.
    """
    now = runtime.clock()
    try:
        exchange.waiting = _try_enqueue(runtime, exchange, targets, wake)
    except GatewayError:
        if other is None:
            raise
        exchange.waiting = Waiting(now + other)
    if other is not None:
        exchange.waiting.until = min(exchange.waiting.until, now + other)
    exchange.waiting.until = min(exchange.waiting.until, latest_deadline(exchange, runtime.config.rules))


def _try_enqueue(runtime: Runtime, exchange: Exchange, targets: list[Target], wake: Callable[[], None]) -> Waiting:
    now, rules, admission = runtime.clock(), runtime.config.rules, runtime.choosing.admission
    if exchange.queued_at is None:
        exchange.queued_at = now
    patience = [deadline_of(target, "queue", rules) for target in targets]
    longest = max(patience)
    until = exchange.queued_at + longest
    waits = admission.waits(targets)
    soonest = min((wait.seconds for _, wait in waits), default=0.0)
    if until <= now:
        raise _gave_up(exchange, waits, "queue_timeout", f"and it has waited {longest:g} s in the queue")
    if now + soonest > until:
        raise _gave_up(exchange, waits, "limit_reached", f"for {soonest:,.0f} s more")
    ticket = admission.join(
        [target for target, seconds in zip(targets, patience, strict=True) if seconds], wake, rules.queue.size
    )
    if ticket is None:
        raise _gave_up(exchange, waits, "queue_full", f"and {rules.queue.size} requests wait for it already")
    return Waiting(until, ticket)


def record_skipped(exchange: Exchange, waits: Waits) -> None:
    """Keep for the log who was at a limit, and at which; once for each target."""
    for target, wait in waits:
        if target not in exchange.skipped:
            exchange.skipped.append(target)
            add_unsent(exchange, target, Failure("limited", wait.why))


def leave_out_cooling(runtime: Runtime, exchange: Exchange) -> bool:
    """Take the targets out of an exchange that began to cool down since it was planned; tell whether there were any."""
    left = runtime.choosing.recheck(exchange)
    for target, each in left:
        if target not in exchange.skipped:
            exchange.skipped.append(target)
            add_unsent(exchange, target, Failure("limited", each.reason))
    return bool(left)


def failed_attempts(exchange: Exchange) -> list[FailedAttempt]:
    """Give the failures of those that were asked, or could not be told the request."""
    return [failed for failed in exchange.failures() if failed.failure.kind not in ("limited", "hedged")]


def add_unsent(exchange: Exchange, target: Target, failure: Failure) -> None:
    """Add an attempt that has come to nothing before anything was sent."""
    unsent = Attempt({}, Deadlines(), None, _unread, last=False)
    unsent.failure = failure
    exchange.attempts_made.append(AttemptRecord(target, unsent))


def _gave_up(exchange: Exchange, waits: Waits, code: str, more: str) -> GatewayError:
    assert exchange.plan
    failed = failed_attempts(exchange)
    record_skipped(exchange, waits)
    for target, wait in waits:
        fault = Fault("rate_limit_error", words := f"{wait.why}, {more}", code, 429)
        failure = Failure("limited", words, status=429, fault=fault, retry_after=wait.seconds or WAIT)
        failed.append(FailedAttempt(target.name, target.account.name, failure))
    return outcome(failed, targets=len(exchange.plan.targets))


def _unread(raw: bytes) -> hub.Whole:
    raise AssertionError("an attempt that was never sent has no reply")
