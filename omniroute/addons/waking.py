"""Wakes who stands still, as something has come that it waits for."""

from mitmproxy import ctx, http

from omniroute.proxy.dial import Turn
from omniroute.runtime import Runtime


def wake(runtime: Runtime, flow: http.HTTPFlow) -> None:
    """Tell the layer of a waiting flow that its turn has come."""
    if handler := ctx.master.addons.get("proxyserver").connections.get(flow.client_conn.id):
        runtime.tasks.start(handler.server_event(Turn(flow)), "turn")
