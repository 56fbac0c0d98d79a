"""Keeps a failing hook from becoming an open door.

mitmproxy logs an exception in a hook, skips the hooks after it and sends the flow on. For a
gateway that is the wrong way to fail: here whatever a hook raises becomes the client's answer.
"""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from mitmproxy import http

from omniroute.addons.response_headers import refusal
from omniroute.errors import GatewayError
from omniroute.gateway.runtime import Runtime
from omniroute.routing.endpoints import dialect_of

log = logging.getLogger(__name__)


class Addon(Protocol):
    """What the guard needs to know of an addon."""

    runtime: Runtime


type Hook = Callable[[Any, http.HTTPFlow], Awaitable[None] | None]


def guard[H: Hook](hook: H) -> H:
    """Wrap a hook on the way to the upstream: what it raises becomes `flow.response`."""
    if inspect.iscoroutinefunction(hook):

        @functools.wraps(hook)
        async def guarded_async(self: Addon, flow: http.HTTPFlow) -> None:
            try:
                await hook(self, flow)
            except Exception as error:
                _refuse(self.runtime, flow, error)

        return guarded_async  # type: ignore[return-value]  # the same signature, which wraps cannot say

    @functools.wraps(hook)
    def guarded(self: Addon, flow: http.HTTPFlow) -> None:
        try:
            hook(self, flow)
        except Exception as error:
            _refuse(self.runtime, flow, error)

    return guarded  # type: ignore[return-value]


def _refuse(runtime: Runtime, flow: http.HTTPFlow, error: Exception) -> None:
    if not isinstance(error, GatewayError):
        log.error("a hook failed for %s %s", flow.request.method, flow.request.path.partition("?")[0], exc_info=error)
        error = GatewayError("the gateway failed; its log says why")
    flow.response = answer(runtime, flow, error)


def answer(runtime: Runtime, flow: http.HTTPFlow, error: GatewayError) -> http.Response:
    """Say an error in the dialect of the exchange, or in the one that the path suggests."""
    exchange = runtime.exchanges.get(flow)
    if exchange:
        exchange.error = error.message
    dialect = exchange.dialect if exchange else dialect_of(flow.request.path)
    return refusal(dialect, error)
