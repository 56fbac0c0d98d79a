"""Who is let in without a key: nobody but this machine."""

import pytest
from cases import every
from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow

from omniroute.addons.access import Access
from omniroute.config.model import Config
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.routing.endpoints import Claim


def asked(runtime: Runtime, peer: str, **headers: str) -> HTTPFlow:
    flow = tflow.tflow()
    flow.client_conn.peername = (peer, 50000)
    for name, value in headers.items():
        flow.request.headers[name.replace("_", "-")] = value
    runtime.exchanges[flow] = Exchange(
        id="1", at=0.0, started=0.0, dialect="openai", path="/", query="", headers=(), config=Config()
    )
    runtime.exchanges[flow].claimed = Claim("models", "openai")
    return flow


def enter(runtime: Runtime, flow: HTTPFlow) -> None:
    Access(runtime).requestheaders(flow)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine_needs_no_key(peer: str) -> None:
    runtime = Runtime()
    flow = asked(runtime, peer)
    enter(runtime, flow)
    assert flow.response is None
    assert runtime.exchanges[flow].admitted


@every("peer", ["10.0.0.5", "192.168.1.9", "fe80::1%eth0", "2001:db8::1", "::ffff:8.8.8.8", "nonsense"])
def test_another_machine_does(peer: str) -> None:
    runtime = Runtime()
    flow = asked(runtime, peer)
    enter(runtime, flow)
    assert flow.response
    assert flow.response.status_code == 401
    assert not runtime.exchanges[flow].admitted


@every(
    "header",
    [
        "x_forwarded_for",
        "forwarded",
        "x_real_ip",
        "via",
        "x_forwarded_host",
        "X_Forwarded_Anything",
        "CF_Connecting_IP",
    ],
)
def test_so_does_whoever_comes_through_a_proxy_on_this_machine(header: str) -> None:
    runtime = Runtime()
    flow = asked(runtime, "127.0.0.1", **{header: "203.0.113.7"})
    enter(runtime, flow)
    assert flow.response
    assert flow.response.status_code == 401


def test_and_so_does_a_page_of_another_site() -> None:
    runtime = Runtime()
    flow = asked(runtime, "127.0.0.1", origin="https://elsewhere.example")
    enter(runtime, flow)
    assert flow.response
    assert flow.response.status_code == 403


def test_a_gateway_key_where_keys_do_not_count_is_refused() -> None:
    runtime = Runtime()
    flow = asked(runtime, "127.0.0.1")
    runtime.exchanges[flow].misplaced_key = True
    enter(runtime, flow)
    assert flow.response
    assert flow.response.status_code == 401
    assert b"x-api-key" in flow.response.content
