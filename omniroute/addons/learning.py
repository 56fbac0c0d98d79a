"""What a failed attempt teaches: what its upstream said, whom that is held against, and what comes next."""

from dataclasses import replace

from omniroute.addons.recall import forgot
from omniroute.dialects.registry import DIALECTS
from omniroute.exchange import Asked, Exchange
from omniroute.proxy.attempt import Attempt
from omniroute.routing.failure import Failure
from omniroute.routing.judge import Verdict, judge
from omniroute.runtime import Runtime


def learn(runtime: Runtime, exchange: Exchange, asked: Asked) -> Verdict:
    """Understand and note the failure of an attempt, let go of its account, and say who is asked next."""
    failure = asked.attempt.failure = _understood(asked, asked.failed.failure)
    runtime.choosing.ended(exchange, asked)
    return "again" if forgot(exchange, failure) else judge(failure).verdict


def lose(runtime: Runtime, exchange: Exchange, attempt: Attempt) -> None:
    """Learn from an attempt that has ended while another goes on."""
    asked = next(asked for asked in exchange.asked if asked.attempt is attempt)
    asked.lost = True
    verdict = learn(runtime, exchange, asked)
    if asked.failed.failure.kind == "hedged":
        exchange.open.append(asked.target)  # it may still go on with an answer that breaks off
    elif verdict == "again":
        exchange.open.insert(0, asked.target)
    elif verdict == "model":
        exchange.spend_model(asked.target)
    elif verdict == "stop":
        exchange.stopped = exchange.stopped or asked
    if left := exchange.last:
        left.attempt.last = not exchange.open


def _understood(asked: Asked, failure: Failure) -> Failure:
    """Read what the upstream said of its error."""
    if failure.kind == "status" and failure.status is not None:
        fault = DIALECTS[asked.target.dialect].read_error(failure.status, failure.body)
        failure = replace(failure, fault=fault, message=f"{failure.status} {fault.message}")
    return failure
