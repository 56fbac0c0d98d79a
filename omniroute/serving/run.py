"""Run the gateway until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mitmproxy import options

from omniroute.addons.lifecycle import NOWHERE
from omniroute.gateway.runtime import Runtime
from omniroute.serving.masters import headless_master, web_master
from omniroute.suite import build

COLUMNS = ["icon", "path", "comment", "status", "size", "time"]
"""Of mitmweb's list: the comment says where a request went, which the path alone does not."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How to run it."""

    data_dir: Path
    host: str
    port: int
    web_port: int
    headless: bool = False
    demo: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    """mitmproxy's own options and `omniroute_*`, by name."""


def run(setup: Setup, ready: Callable[[Runtime], None]) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is called once when it answers.

    Raises OptionsError for options that cannot be; SystemExit when the start failed, which has been said by then.
    """
    asyncio.run(_run(setup, ready))


async def _run(setup: Setup, ready: Callable[[Runtime], None]) -> None:
    logging.getLogger().setLevel(logging.INFO)
    for noisy in ("tornado", "asyncio", "hpack", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    runtime = Runtime()
    suite = [*build(runtime), StartupMessage(runtime, ready)]
    if setup.demo:
        from omniroute.serving.demo_addon import DemoAddon  # a web server, which nobody else needs

        suite.insert(0, DemoAddon(setup.data_dir))
    opts = options.Options()
    made = (headless_master if setup.headless else web_master)(opts, suite)
    opts.update(**_settings(setup))
    opts.set(*[f"{name}={value}" for name, value in setup.options.items()])
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, made.shutdown)
    await made.run()


def _settings(setup: Setup) -> dict[str, object]:
    said: dict[str, object] = {
        "confdir": str(setup.data_dir / "mitmproxy"),
        "mode": [f"reverse:{NOWHERE}"],
        "listen_host": setup.host,
        "listen_port": setup.port,
        "omniroute_data_dir": str(setup.data_dir),
        "termlog_verbosity": "warn",
    }
    if not setup.headless:
        said |= {"web_port": setup.web_port, "web_open_browser": False, "web_columns": COLUMNS}
    return said


class StartupMessage:
    """Says once that the gateway answers."""

    name = "omniroute.greeter"

    def __init__(self, runtime: Runtime, ready: Callable[[Runtime], None]) -> None:
        self.runtime, self._ready = runtime, ready

    def running(self) -> None:
        if self.runtime.store:
            self.runtime.tasks.start(self._greet(), "greet")

    async def _greet(self) -> None:
        await self.runtime.announced.wait()
        await self.runtime.managed.wait()
        self._ready(self.runtime)
