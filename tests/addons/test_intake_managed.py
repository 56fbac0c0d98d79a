"""What is about the gateway itself, before that is served: said so, and not kept in the flow."""

from unittest.mock import Mock

import pytest
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow

from omniroute.addons.access import Access
from omniroute.addons.intake import Intake
from omniroute.gateway.runtime import Runtime


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/login?x=1", "/omniroute/", "/healthz", "/metrics"])
def test_it_is_starting(path: str) -> None:
    runtime = Runtime()
    runtime.store = Mock()
    flow = tflow.tflow()
    flow.client_conn.proxy_mode = ProxyMode.parse("reverse:http://127.0.0.1:9")
    flow.request.path, flow.request.method = path, "POST"
    flow.request.content = b'{"password": "correct horse battery"}'
    flow.request.headers["cookie"] = "omniroute_session=x"
    body, flow.request.data.content = flow.request.data.content, None  # at the head there is none yet
    Intake(runtime).requestheaders(flow)
    Access(runtime).requestheaders(flow)
    assert body
    assert flow.response
    assert flow.response.status_code == 503
    assert flow.response.headers["retry-after"] == "1"
    assert b"horse" not in repr(flow.get_state()).encode()
    assert "omniroute_session" not in repr(flow.get_state())
