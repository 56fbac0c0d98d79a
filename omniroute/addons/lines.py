"""The line before accounts that are at their limits: who joins it, and what is said to whom it is too long."""

from collections.abc import Callable

from omniroute.addons.overdue import last_moment
from omniroute.dialects import hub
from omniroute.dialects.ir import Fault
from omniroute.errors import GatewayError
from omniroute.exchange import Asked, Exchange, Waiting
from omniroute.proxy.attempt import Attempt
from omniroute.routing.deadlines import Deadlines
from omniroute.routing.failure import Failure
from omniroute.routing.limits import Wait
from omniroute.routing.outcome import WAIT, Failed, outcome
from omniroute.routing.patience import deadline_of
from omniroute.routing.plan import Target
from omniroute.runtime import Runtime

type Waits = list[tuple[Target, Wait]]


def line_up(
    runtime: Runtime, exchange: Exchange, targets: list[Target], wake: Callable[[], None], other: float | None
) -> None:
    """Let an exchange wait for the first of some targets, which all are at their limits.

    `other` is in how many seconds another target may be asked: then it looks again, and until then it is not
    refused. Raises what the client is told where it has waited long enough, would wait in vain, or too many wait.
    """
    now = runtime.clock()
    try:
        exchange.waiting = _in_line(runtime, exchange, targets, wake)
    except GatewayError:
        if other is None:
            raise
        exchange.waiting = Waiting(now + other)
    if other is not None:
        exchange.waiting.until = min(exchange.waiting.until, now + other)
    exchange.waiting.until = min(exchange.waiting.until, last_moment(exchange, runtime.config.rules))


def _in_line(runtime: Runtime, exchange: Exchange, targets: list[Target], wake: Callable[[], None]) -> Waiting:
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


def passed_over(exchange: Exchange, waits: Waits) -> None:
    """Keep for the log who was at a limit, and at which; once for each target."""
    for target, wait in waits:
        if target not in exchange.passed:
            exchange.passed.append(target)
            add_unsent(exchange, target, Failure("limited", wait.why))


def leave_out_cooling(runtime: Runtime, exchange: Exchange) -> bool:
    """Take the targets out of an exchange that began to cool down since it was planned; tell whether there were any."""
    left = runtime.choosing.recheck(exchange)
    for target, each in left:
        if target not in exchange.passed:
            exchange.passed.append(target)
            add_unsent(exchange, target, Failure("limited", each.why))
    return bool(left)


def really_failed(exchange: Exchange) -> list[Failed]:
    """Give the failures of those that were asked, or could not be told the request."""
    return [failed for failed in exchange.failures() if failed.failure.kind not in ("limited", "hedged")]


def add_unsent(exchange: Exchange, target: Target, failure: Failure) -> None:
    """Add an attempt that has come to nothing before anything was sent."""
    unsent = Attempt({}, Deadlines(), None, _unread, last=False)
    unsent.failure = failure
    exchange.asked.append(Asked(target, unsent))


def _gave_up(exchange: Exchange, waits: Waits, code: str, more: str) -> GatewayError:
    assert exchange.plan
    failed = really_failed(exchange)
    passed_over(exchange, waits)
    for target, wait in waits:
        fault = Fault("rate_limit_error", words := f"{wait.why}, {more}", code, 429)
        failure = Failure("limited", words, status=429, fault=fault, retry_after=wait.seconds or WAIT)
        failed.append(Failed(target.name, target.account.name, failure))
    return outcome(failed, targets=len(exchange.plan.targets))


def _unread(raw: bytes) -> hub.Whole:
    raise AssertionError("an attempt that was never sent has no reply")
