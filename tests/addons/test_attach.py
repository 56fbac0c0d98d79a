"""The hook for heads is left out only where nobody would miss it."""

from collections.abc import Iterator

import pytest
from mitmproxy.addons.modifyheaders import ModifyHeaders
from mitmproxy.test import taddons, tflow

from omniroute.addons.http_layer import HttpLayer
from omniroute.config.model import Config
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime


class Listener:
    """Somebody's own addon."""

    name = "listener"

    def responseheaders(self, flow: object) -> None:
        """Look at heads."""


@pytest.fixture
def context() -> Iterator[taddons.context]:
    with taddons.context(ModifyHeaders()) as context:
        yield context


def dressed(attach: HttpLayer) -> tuple[bool, bool]:
    flow = tflow.tflow(resp=True)
    attach.runtime.exchanges[flow] = Exchange(
        id="e1", at=0.0, started=0.0, dialect="openai", path="/", query="", headers=(), config=Config()
    )
    done = attach.try_apply_headers(flow)
    return done, flow.response.headers.get("x-omniroute-request-id") == "e1"


def test_a_head_is_made_without_the_hook(context: taddons.context) -> None:
    assert dressed(HttpLayer(Runtime())) == (True, True)


def test_whoever_listens_is_heard_from_the_moment_he_comes(context: taddons.context) -> None:
    attach = HttpLayer(Runtime())
    assert dressed(attach) == (True, True)
    listener = Listener()
    context.master.addons.add(listener)
    assert dressed(attach) == (False, False)
    context.master.addons.remove(listener)
    assert dressed(attach) == (True, True)


def test_so_is_an_option_that_changes_heads(context: taddons.context) -> None:
    attach = HttpLayer(Runtime())
    context.options.modify_headers = ["/~s/x-mine/1"]
    assert dressed(attach) == (False, False)


def test_a_flow_that_is_not_ours_keeps_its_hook(context: taddons.context) -> None:
    assert not HttpLayer(Runtime()).try_apply_headers(tflow.tflow(resp=True))
