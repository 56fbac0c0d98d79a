"""The panel's web application.

It is served on a loopback port, to which the proxy port relays management requests, and inside mitmweb's application.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Iterable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.routing import Rule, URLSpec
from tornado.web import Application

from omniroute.env import Environment
from omniroute.gateway.runtime import Runtime
from omniroute.panel.api import ROUTES
from omniroute.panel.auth import AdminAuth
from omniroute.panel.http import EndpointHandler, UnknownPath
from omniroute.panel.live_socket import Broadcast, LiveSocket
from omniroute.panel.routes import Route
from omniroute.panel.static_pages import load, page_rules
from omniroute.panel.web_limits import bound_requests

LARGEST_HEAD = 64 * 1024
MOST_CONNECTIONS = 1024
IDLE_TIMEOUT = 120.0
"""Seconds after which a connection without a request is closed."""
LAST = 2.0
"""Seconds that each step of the shutdown waits for requests in progress."""
LIVE = r"/api/translator/live"


class BoundedServer(HTTPServer):
    """An HTTP server that closes new connections at once while it has MOST_CONNECTIONS open."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        self._served = 0
        super().initialize(*args, **kwargs)

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self._served >= MOST_CONNECTIONS:
            stream.close()
            return
        self._served += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        self._served -= 1
        super().on_close(server_conn)


class PanelServer:
    """The server of the panel's pages and the management API. Runs in the event loop that starts it."""

    def __init__(self, runtime: Runtime, settings: Environment, secret: str) -> None:
        """Create the server; `secret` authenticates the relay of the proxy port, and is shared with nothing else."""
        self.door = AdminAuth(runtime, settings, secret)
        self._files = load()
        self._broadcast = Broadcast(runtime)
        self._server: HTTPServer | None = None
        self._guest: tuple[Application, Rule] | None = None
        self._unbound: Callable[[], None] = lambda: None
        """Remove the request bounds from mitmweb's application."""

    def start(self, listening: socket.socket) -> None:
        """Serve requests on a listening socket, which the server owns from now on."""
        app = Application(
            self._rules(),
            default_handler_class=UnknownPath,
            default_handler_args={"door": self.door, "routes": {}},
            log_function=lambda _: None,
        )
        self._server = BoundedServer(app, max_header_size=LARGEST_HEAD, idle_connection_timeout=IDLE_TIMEOUT)
        self._server.add_socket(listening)

    def hang_in(self, app: Application) -> None:
        """Add the same routes to mitmweb's application, and bound its requests."""
        before = list(app.default_router.rules)
        rest = URLSpec(r"/(?:api|omniroute)(?:/.*)?", UnknownPath, {"door": self.door, "routes": {}})
        app.add_handlers(r".*", [*self._rules(), rest])
        (rule,) = (each for each in app.default_router.rules if each not in before)
        self._guest = app, rule
        self._unbound = bound_requests(app)

    def stop(self) -> None:
        """Stop serving and undo all changes to mitmweb's application, which may load the script again."""
        self._broadcast.close()
        for telling in self.door.telling:
            telling.cancel()
        if self._server:
            self._server.stop()
        if self._guest:
            app, rule = self._guest
            app.default_router.rules.remove(rule)
            self._unbound()
            self._guest = None

    async def ended(self) -> None:
        """Stop the test run, wait up to LAST seconds for requests in progress, and close all connections."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                await self.door.bench.stop()
        if waiting := {task for task in self.door.under_way if not task.done()}:
            await asyncio.wait(waiting, timeout=LAST)
        if self._server:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST):
                    await self._server.close_all_connections()

    def _rules(self) -> list[URLSpec]:
        live = URLSpec(LIVE, LiveSocket, {"door": self.door, "broadcast": self._broadcast})
        return [live, *rules(self.door, ROUTES), *page_rules(self.door, self._files)]


def rules(door: AdminAuth, routes: Iterable[Route]) -> list[URLSpec]:
    """Build one URL rule per path, matching fixed segments literally.

    A path without parameters precedes those with parameters, and also accepts the methods of a parametrized path that
    it matches: `/api/combos/test` may also mean the combo named `test`.
    """
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    made = []
    for path in sorted(by_path, key=lambda path: "{" in path):
        own = by_path[path]
        wide = next(
            (other for other in by_path if "{" in other and "{" not in path and re.fullmatch(_pattern(other), path)),
            path,
        )
        said = {"door": door, "routes": by_path[wide] | own}
        made.append(URLSpec(_pattern(path) if wide == path else _named(path, wide), EndpointHandler, said))
    return made


def _named(path: str, wide: str) -> str:
    """Build the pattern of a fixed path, capturing each segment where `wide` has a parameter under that name."""
    pairs = zip(path.split("/"), wide.split("/"), strict=True)
    return "/".join(
        f"(?P<{other[1:-1]}>{re.escape(part)})" if other.startswith("{") else re.escape(part) for part, other in pairs
    )


def _pattern(path: str) -> str:
    return "".join(
        f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", path)
    )
