"""Bound the connections of clients, and watch the event loop that serves them."""

import asyncio
import logging
import resource
from http import HTTPStatus

import orjson
from mitmproxy import ctx
from mitmproxy.proxy.mode_specs import ReverseMode

from omniroute.access.client_address import read_address
from omniroute.access.ip_filter import check
from omniroute.config.server_limits import ServerLimits
from omniroute.errors import GatewayError
from omniroute.gateway.readiness import readiness
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.client_listener import ClientListener, servers_of
from omniroute.mitm.health_probe import Probe, write_answer

log = logging.getLogger(__name__)

MOST_DESCRIPTORS = 1 << 20
"""Soft limit that is set where the hard limit is higher."""
FEW_DESCRIPTORS = 4096
"""Below this the log says how many connections there can be."""


class Connections:
    """The `Policy` of the listener, too."""

    name = "omniroute.connections"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def running(self) -> None:
        """Begin to accept in place of mitmproxy, on every port of ours, now and later."""
        if self.runtime.store is None:
            return
        self.runtime.loop_watchdog.start()
        descriptors = raise_descriptor_limit()
        listener = self.runtime.clients = ClientListener(self, descriptors, asyncio.get_running_loop())
        if descriptors < FEW_DESCRIPTORS:
            log.warning(
                "the process may open %d descriptors (ulimit -n), so there can be %d client connections",
                descriptors,
                listener.connections.limit,
            )
        ctx.master.addons.get("proxyserver").servers.changed.connect(self._servers_changed)
        self._servers_changed()

    def done(self) -> None:
        self.runtime.loop_watchdog.stop()
        listener, self.runtime.clients = self.runtime.clients, None
        if listener:
            ctx.master.addons.get("proxyserver").servers.changed.disconnect(self._servers_changed)
            listener.close()

    def _servers_changed(self) -> None:
        listener = self.runtime.clients
        if listener is None:
            return
        for instance in ctx.master.addons.get("proxyserver").servers:
            if isinstance(instance.mode, ReverseMode) and instance.mode.scheme == "http":
                for server in servers_of(instance):
                    listener.take_over(server, instance.handle_stream)

    def limits(self) -> ServerLimits:
        """Return the bounds in force."""
        return self.runtime.config.rules.server

    def active(self) -> None:
        """Watch the event loop closely while clients send."""
        self.runtime.loop_watchdog.active()

    def is_trusted(self, address: str) -> bool:
        """Return whether an address is a trusted proxy's."""
        trusted = self.runtime.config.doors.trusted
        try:
            return bool(trusted) and read_address(address) in trusted
        except ValueError:
            return False

    def answer(self, probe: Probe, peer: str) -> bytes:
        """Answer a health probe as the management API does."""
        try:
            check(peer, probe.fields, self.runtime.config.doors, self.runtime.wall())
            body = readiness(self.runtime) if probe.path == "/readyz" else {"status": "ok"}
            status, retry_after = 200, None
        except GatewayError as error:
            body = {"error": {"message": error.message, "type": error.kind}}
            status, retry_after = error.status, error.retry_after
        return write_answer(probe, status, HTTPStatus(status).phrase, orjson.dumps(body), retry_after)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one, and return what is in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # macOS has a limit of its own below the hard one
        log.info("the limit of open descriptors stays at %d: %s", soft, error)
        return soft
    return wanted
