"""Serves the management API: beside the traffic, in mitmweb too, and never in a flow.

It takes an eighth of the gateway's memory and half a second of processor, and many gateways are never asked for it: it
is loaded when the first request for it comes, which waits for that in the meantime. mitmweb is used by people, so there
it is loaded at once.
"""

import asyncio
import gc
import logging
import os
import secrets
import socket
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from mitmproxy import ctx, exceptions

from omniroute.env import InvalidEnvironment, is_loopback, read
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.management_relay import Relay
from omniroute.store.db.files import StoreError
from omniroute.store.state import password

if TYPE_CHECKING:
    from omniroute.panel.app import PanelServer as App

log = logging.getLogger(__name__)

HOST = "127.0.0.1"


class Panel:
    name = "omniroute.panel"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._app: App | None = None
        self._socket: socket.socket | None = None
        """Where it is asked for, until it is there."""

    def configure(self, updated: set[str]) -> None:
        try:
            self._settings = read(os.environ)
        except InvalidEnvironment as error:
            raise exceptions.OptionsError(str(error)) from error
        if not self._settings.require_login and not is_loopback(ctx.options.listen_host or self._settings.host):
            raise exceptions.OptionsError(
                "OMNIROUTE_REQUIRE_LOGIN=false is for loopback only: listen on 127.0.0.1, or let people log in"
            )

    def running(self) -> None:
        """See that there is a password, and be there to be asked."""
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
        self._socket = socket.create_server((HOST, 0))
        self._socket.setblocking(False)
        self.runtime.relay = Relay(HOST, self._socket.getsockname()[1], secrets.token_urlsafe(32))
        if hasattr(ctx.master, "app"):
            self._load()
        else:
            asyncio.get_running_loop().add_reader(self._socket, self._load)
            self.runtime.managed.set()

    def _load(self) -> None:
        """Begin to serve. Who has asked waits: the system has taken the connection already."""
        if self._socket and self.runtime.relay:
            asyncio.get_running_loop().remove_reader(self._socket)
            listening, self._socket = self._socket, None
            self.runtime.tasks.start(self._start(listening, self.runtime.relay), "management")

    async def _start(self, listening: socket.socket, relay: Relay) -> None:
        try:
            app = await asyncio.to_thread(import_module, "omniroute.panel.app")
            if self.runtime.relay is None:
                listening.close()  # the gateway has ended meanwhile
                return
            self._app = app.PanelServer(self.runtime, self._settings, relay.secret)
            self._app.start(listening)
            if mitmweb := getattr(ctx.master, "app", None):
                self._app.hang_in(mitmweb)
        except BaseException:
            self.runtime.relay = None
            listening.close()
            raise
        finally:
            self.runtime.managed.set()
        gc.freeze()  # as at the end of the start: all that has been loaded stays

    async def done(self) -> None:
        self.runtime.relay = None
        if self._socket:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._app:
            self._app.stop()
            await self._app.ended()
