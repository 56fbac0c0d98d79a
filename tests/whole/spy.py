"""A script for mitmproxy beside ours: writes down what accounts are busy with, and ends flows as a person would.

SIGUSR1 writes; SIGUSR2 ends every flow that can be ended.
"""

import asyncio
import json
import os
import signal
from pathlib import Path
from weakref import WeakSet

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook


class Spy:
    def __init__(self) -> None:
        self.flows: WeakSet[http.HTTPFlow] = WeakSet()

    def running(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self.write)
        loop.add_signal_handler(signal.SIGUSR2, self.kill)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.add(flow)

    def request(self, flow: http.HTTPFlow) -> None:
        if "x-fail" in flow.request.headers:
            raise RuntimeError("a hook of somebody else's fails")

    def write(self) -> None:
        choosing = ctx.master.addons.get("omniroute.dispatch").runtime.choosing
        path = Path(os.environ["SPY"])
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(choosing._loads._in_flight), encoding="utf-8")
        draft.replace(path)

    def kill(self) -> None:
        killed = [flow for flow in self.flows if flow.killable]
        for flow in killed:
            flow.kill()
        ctx.master.addons.trigger(UpdateHook(killed))


addons = [Spy()]
