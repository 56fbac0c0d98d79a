"""The demo's providers as a part of the running gateway."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from omniroute.demo.server import Demo
from omniroute.demo.setup import install, uninstall
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError

log = logging.getLogger(__name__)


class DemoAddon:
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
        """Take out what was added: after this nobody answers there.

        mitmproxy counts all our addons as one: an error raised here would keep the others from closing, and
        their threads the process from ending. What stays in the store is replaced by the next demo.
        """
        try:
            await asyncio.to_thread(self._change, uninstall)
        except StoreError as error:
            log.error("the demo's providers stay in the database: %s", error)
        await self._demo.stop()

    def _change(self, change: Callable[[Store], None]) -> None:
        with closing(Store(self._data_dir)) as store:
            change(store)
