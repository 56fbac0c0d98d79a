"""The client's key leaves the flow, wherever it stands; requests under way are bounded."""

from dataclasses import replace
from unittest.mock import Mock

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow

from omniroute.addons.intake import Intake
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime

KEY = "sk-omni-0123456789abcdef"


def begun(path: str, runtime: Runtime | None = None, **headers: str) -> tuple[HTTPFlow, Exchange]:
    runtime = runtime or Runtime()
    flow = tflow.tflow()
    flow.client_conn.proxy_mode = ProxyMode.parse("reverse:http://127.0.0.1:9")
    flow.request.path = path
    for name, value in headers.items():
        flow.request.headers[name.replace("_", "-")] = value
    Intake(runtime).requestheaders(flow)
    return flow, runtime.exchanges[flow]


@pytest.mark.parametrize("header", ["authorization", "x_api_key", "x_goog_api_key", "api_key", "API_KEY"])
def test_documented_headers_count(header: str) -> None:
    flow, exchange = begun("/v1/models", **{header: KEY})
    assert exchange.presented_keys == (KEY,)
    assert not exchange.misplaced_key
    assert KEY not in repr(flow.get_state())


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/models?api_key={KEY}&x=1",
        "/v1/models?x=%73k-omni-0123456789abcdef",
        f"/v1beta/models/{KEY}:generateContent",
        f"/{KEY}",
    ],
)
def test_a_key_elsewhere_does_not_count_and_is_hidden(path: str) -> None:
    flow, exchange = begun(path)
    assert exchange.presented_keys == ()
    assert exchange.misplaced_key
    for text in (repr(flow.get_state()), exchange.path, exchange.query):
        assert "0123456789abcdef" not in text


def test_the_query_parameter_of_the_gemini_api_counts() -> None:
    flow, exchange = begun(f"/v1beta/models?alt=%73se&k%65y={KEY}&x=~")
    assert exchange.presented_keys == (KEY,)
    assert flow.request.path == "/v1beta/models?alt=%73se&x=~"
    assert exchange.query == "alt=%73se&x=~"


def test_a_key_in_an_unknown_header_is_hidden() -> None:
    flow, exchange = begun("/v1/models", x_something=f"a {KEY}")
    assert exchange.misplaced_key
    assert KEY not in repr(flow.get_state())
    assert KEY.encode() not in repr(exchange.headers).encode()


@pytest.mark.parametrize(("path", "kind"), [("/v1/chat/completions", b"error"), ("/v1/messages", b"error")])
def test_requests_under_way_are_bounded(path: str, kind: bytes) -> None:
    runtime = Runtime()
    rules = runtime.config.rules
    runtime.config = replace(runtime.config, rules=replace(rules, server=replace(rules.server, requests=2)))
    first, _ = begun(path, runtime)
    second, _ = begun(path, runtime)
    third, _ = begun(path, runtime)
    assert first.response is second.response is None
    assert third.response
    assert third.response.status_code == 503
    assert third.response.headers["retry-after"] == "1"
    assert kind in third.response.content
    intake = Intake(runtime)
    intake.response(third)
    assert len(runtime.in_flight) == 2
    intake.error(first)
    intake.response(first)
    fourth, _ = begun(path, runtime)
    assert fourth.response is None


def test_a_connection_over_the_limits_asks_no_models() -> None:
    runtime = Runtime()
    runtime.clients = Mock()
    runtime.clients.connections.upstream_limit = 100
    runtime.clients.is_spare.return_value = True
    flow, _ = begun("/v1/chat/completions", runtime)
    assert flow.response
    assert flow.response.status_code == 503
