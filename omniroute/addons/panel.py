"""Serves the management API: beside the traffic, in mitmweb too, and never in a flow."""

import asyncio
import logging
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from mitmproxy import ctx, exceptions

from omniroute.runtime import Runtime
from omniroute.settings import SettingsError, is_loopback, read
from omniroute.store import password
from omniroute.store.files import StoreError

if TYPE_CHECKING:
    from omniroute.panel.app import Panel as App

log = logging.getLogger(__name__)


class Panel:
    name = "omniroute.panel"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._app: App | None = None

    def configure(self, updated: set[str]) -> None:
        try:
            self._settings = read(os.environ)
        except SettingsError as error:
            raise exceptions.OptionsError(str(error)) from error
        if not self._settings.require_login and not is_loopback(ctx.options.listen_host or self._settings.host):
            raise exceptions.OptionsError(
                "OMNIROUTE_REQUIRE_LOGIN=false is for loopback only: listen on 127.0.0.1, or let people log in"
            )

    def running(self) -> None:
        """See that there is a password; what is served is loaded beside the traffic, since that takes a while."""
        if self.runtime.store is None:
            return
        try:
            made = password.begin(self.runtime.store, os.environ)
        except StoreError as error:
            log.error("%s", error)  # mitmproxy ends a start that has logged an error
            return
        if made:
            # Not by the log: what is logged is kept, and redacted.
            print(f"Management password, shown this once: {made}", file=sys.stderr, flush=True)
        self.runtime.tasks.start(self._start(), "management")

    async def _start(self) -> None:
        try:
            app = await asyncio.to_thread(import_module, "omniroute.panel.app")
            self._app = app.Panel(self.runtime, self._settings)
            self.runtime.relay = self._app.start()
            if mitmweb := getattr(ctx.master, "app", None):
                self._app.hang_in(mitmweb)
        finally:
            self.runtime.managed.set()

    async def done(self) -> None:
        self.runtime.relay = None
        if self._app:
            self._app.stop()
            await self._app.ended()
