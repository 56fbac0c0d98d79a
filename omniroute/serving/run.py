"""Run the gateway until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mitmproxy import options

from omniroute.addons.lifecycle import NOWHERE
from omniroute.demo.server import Demo
from omniroute.demo.setup import install, uninstall
from omniroute.runtime import Runtime
from omniroute.serving.masters import lean, watched
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.suite import build

COLUMNS = ["icon", "path", "comment", "status", "size", "time"]
"""Of mitmweb's list: the comment says where a request went, which the path alone does not."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run it."""

    data_dir: Path
    host: str
    port: int
    web_port: int
    headless: bool = False
    demo: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    """mitmproxy's own options and `omniroute_*`, by name."""


def run(plan: Plan, ready: Callable[[Runtime], None]) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is called once when it answers.

    Raises OptionsError for options that cannot be; SystemExit when the start failed, which has been said by then.
    """
    asyncio.run(_run(plan, ready))


async def _run(plan: Plan, ready: Callable[[Runtime], None]) -> None:
    logging.getLogger().setLevel(logging.INFO)
    for noisy in ("tornado", "asyncio", "hpack", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    runtime = Runtime()
    suite = [*build(runtime), Greeter(runtime, ready)]
    if plan.demo:
        suite.insert(0, Pretenders(plan.data_dir))
    opts = options.Options()
    made = (lean if plan.headless else watched)(opts, suite)
    opts.update(**_settings(plan))
    opts.set(*[f"{name}={value}" for name, value in plan.options.items()])
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, made.shutdown)
    await made.run()


def _settings(plan: Plan) -> dict[str, object]:
    said: dict[str, object] = {
        "confdir": str(plan.data_dir / "mitmproxy"),
        "mode": [f"reverse:{NOWHERE}"],
        "listen_host": plan.host,
        "listen_port": plan.port,
        "omniroute_data_dir": str(plan.data_dir),
        "termlog_verbosity": "warn",
    }
    if not plan.headless:
        said |= {"web_port": plan.web_port, "web_open_browser": False, "web_columns": COLUMNS}
    return said


class Greeter:
    """Says once that the gateway answers."""

    name = "omniroute.greeter"

    def __init__(self, runtime: Runtime, ready: Callable[[Runtime], None]) -> None:
        self.runtime, self._ready = runtime, ready

    def running(self) -> None:
        if self.runtime.store:
            self.runtime.task(self._greet(), "greet")

    async def _greet(self) -> None:
        await self.runtime.announced.wait()
        self._ready(self.runtime)


class Pretenders:
    """The demo's providers: they come before the store is opened for traffic and go after the last request."""

    name = "omniroute.pretenders"

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._demo = Demo()

    async def running(self) -> None:
        """Start them. An error that is logged ends mitmproxy's start."""
        await self._demo.start()
        try:
            await asyncio.to_thread(self._change, lambda store: install(store, self._demo))
        except StoreError as error:
            log.error("the demo cannot be set up: %s", error)

    async def done(self) -> None:
        """Take out what was added: after this nobody answers there."""
        await asyncio.to_thread(self._change, uninstall)
        await self._demo.stop()

    def _change(self, change: Callable[[Store], None]) -> None:
        with closing(Store(self._data_dir)) as store:
            change(store)
