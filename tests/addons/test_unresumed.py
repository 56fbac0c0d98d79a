"""Why a broken answer was not resumed, as the log row says it."""

import pytest
from mitmproxy.test import tflow

from omniroute.addons.http_layer import NO_TARGET, HttpLayer
from omniroute.catalog.providers import node
from omniroute.config.deadlines import Deadlines
from omniroute.config.model import Account, Config
from omniroute.dialects.hub import Stream
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.gateway.usage_recorder import build_usage_row
from omniroute.mitm.ports import Attempt
from omniroute.routing.failures import Failure
from omniroute.routing.target import RoutePath, Target

PIECE = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'


@pytest.mark.parametrize(
    ("follows", "text", "resumed", "left", "why"),
    [
        (False, b"hello", 0, 1, ""),
        (True, b"hel", 0, 1, "not resumed: it has fewer than 4 characters"),
        (True, b"hello", 0, 0, f"not resumed: {NO_TARGET}"),
        (True, b"hello", 1, 1, "not resumed: resume.most allows 1 for one answer"),
        (True, b"hello", 0, 1, None),
    ],
)
def test_the_log_says_why(follows: bool, text: bytes, resumed: int, left: int, why: str | None) -> None:
    runtime, flow = Runtime(), tflow.tflow()
    target = Target(
        Account("a", "up", "main"), node("up", "openai", "http://up.test"), "m", "openai", RoutePath(""), ""
    )
    stream = Stream("openai", "openai", model="m", follows=follows)
    stream.feed(PIECE % text)
    attempt = Attempt({}, Deadlines(), stream, lambda raw: None, last=True)  # type: ignore[arg-type,return-value]
    attempt.failure, attempt.content_at = Failure("cut", "it broke"), 1.0
    exchange = Exchange("x", 0.0, 0.0, "openai", "/", "", (), Config())
    exchange.attempts_made, exchange.remaining, exchange.resumed = (
        [AttemptRecord(target, attempt)],
        [target] * left,
        resumed,
    )
    runtime.exchanges[flow] = exchange
    assert HttpLayer(runtime).may_resume(flow) == (why is None)
    [one] = build_usage_row(exchange, 200, 2.0).attempts
    assert one.detail == "; ".join(filter(None, ("it broke", why)))
