"""The demo's providers as a part of the running gateway."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from omniroute.demo.server import Demo
from omniroute.demo.setup import install, uninstall
from omniroute.store.database import Store
from omniroute.store.files import StoreError

log = logging.getLogger(__name__)


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
