"""Tornado handlers of the management API: authenticate, read the body, run the route, write the response."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from tornado.web import RequestHandler, stream_request_body

from omniroute.access.client_address import NO_CLIENT
from omniroute.dialects.json_bounds import JsonBounds, scan
from omniroute.errors import BadRequest, GatewayError, NotAllowed, NotFound, TooLarge
from omniroute.mitm.management_relay import PEER
from omniroute.mitm.ports import BIG
from omniroute.mitm.upload_pace import MAX_DRAINED
from omniroute.panel.auth import AdminAuth, Principal, bearer
from omniroute.panel.error_format import of_fields, of_gateway, shape
from omniroute.panel.routes import Call, Download, Lines, Route, Text
from omniroute.panel.streaming import send_file, send_lines
from omniroute.panel.upload import Upload
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError, StoreFailed
from omniroute.store.state import sessions

log = logging.getLogger(__name__)

DRAINED = 256 * 1024 * 1024
"""Bytes of a body read at most, also of one refused midway: a client that is still sending would miss the error."""
NDJSON = "application/x-ndjson"
CURLS = "application/x-www-form-urlencoded"
LOG_IN = "log in first: POST /api/auth/login, or show the token of `omniroute-ctl token`"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class MalformedRequest(Exception):
    """A body or query that does not match the route's model; answered with 400."""

    def __init__(self, found: ValidationError) -> None:
        super().__init__(str(found))
        self.found = found


class BaseHandler(RequestHandler):
    """Base of all handlers: security headers, one error format, the IP filter and authentication."""

    def initialize(self, door: AdminAuth, routes: Mapping[str, Route]) -> None:
        self.door = door
        self.routes = routes

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def check_xsrf_cookie(self) -> None:
        """Skip Tornado's form token: AdminAuth checks the origin of each request."""

    def compute_etag(self) -> None:
        """Compute no ETag: responses are not cached."""

    def refuse(self, error: Exception) -> None:
        """Write an error response; the details of an unexpected exception go to the log only."""
        match error:
            case MalformedRequest():
                self._say(400, of_fields(error.found))
            case StoreFailed():
                self._say(503, of_gateway(GatewayError(str(error), status=503)))
            case StoreError():
                self._say(400, of_gateway(BadRequest(str(error), param=to_camel(error.field) or None)))
            case GatewayError():
                if error.retry_after is not None:
                    self.set_header("Retry-After", str(max(1, round(error.retry_after))))
                if isinstance(error, NotAllowed):
                    self.set_header("WWW-Authenticate", 'Bearer realm="omniroute"')
                self._say(error.status, of_gateway(error))
            case _:
                log.error("%s %s failed", self.request.method, self.request.path, exc_info=error)
                self._say(500, of_gateway(GatewayError("the gateway failed; its log says why")))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the error response for a request that Tornado itself refuses."""
        phrase = HTTPStatus(status_code).phrase if status_code in HTTPStatus._value2member_map_ else "error"
        self.finish(shape(phrase, "not_found" if status_code == 404 else "invalid_request"))

    def log_exception(self, *_: Any) -> None:
        """Log nothing: `refuse` logs failures of the gateway, and what Tornado refuses is an error of the client."""

    def enter(self) -> Principal:
        """Apply the IP filter before anything else. Raises Forbidden for a blocked client address."""
        headers = self.request.headers
        return self.door.check_address(headers, self.door.peer(headers.get(PEER), str(self.request.remote_ip)))

    async def look(self, *, anywhere: bool = False) -> Principal:
        """Authenticate the request and return its principal.

        Raises Forbidden for a blocked address, and for a request from a page of another origin unless `anywhere`;
        GatewayError 503 while there is no store; NotAllowed and others for a wrong key.
        """
        runtime, comer = self.door.runtime, self.enter().client
        if runtime.store is None:
            raise GatewayError("the gateway is starting, or about to end", status=503, retry_after=1)
        headers = self.request.headers
        cookie = self.cookie_of(runtime.store)
        visitor = await asyncio.to_thread(
            self.door.authenticate, runtime.store, headers, comer, cookie, self._in_mitmweb()
        )
        if not visitor.authenticated and (shown := bearer(headers)):
            visitor = self.door.authenticate_key(shown, comer)
        if visitor.in_browser and not anywhere:
            self.door.check_page(headers)
        return visitor

    def cookie_of(self, store: Store) -> str:
        """Return the session in the browser's cookie; empty if there is none."""
        return self.get_cookie(cookie_name(store)) or ""

    def _in_mitmweb(self) -> bool:
        """Return whether the browser is logged in to the mitmweb that serves these pages."""
        if "auth_cookie_name" not in self.settings:
            return False
        return self.get_signed_cookie(self.settings["auth_cookie_name"](), min_version=2) == b"y"

    def _say(self, status: int, body: dict[str, Any]) -> None:
        self.set_status(status)
        self.finish(body)


class UnknownPath(BaseHandler):
    """The handler of all paths without a route: applies the IP filter and responds with 404."""

    def prepare(self) -> None:
        try:
            self.enter()
            raise NotFound(f"no such path here: {self.request.method} {self.request.path[:200]}")
        except GatewayError as error:
            self.refuse(error)


@stream_request_body
class EndpointHandler(BaseHandler):
    """The handler of all methods of one path. Authenticates before any of the body is read."""

    def initialize(self, door: AdminAuth, routes: Mapping[str, Route]) -> None:
        super().initialize(door, routes)
        self._content = bytearray()
        self._refusal: Exception | None = None
        self._visitor = Principal(NO_CLIENT)
        self._upload: Upload | None = None
        self._got = 0
        self._serving = False
        self._telling: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        assert self.request.connection
        if task := asyncio.current_task():
            self.door.under_way.add(task)
        self.request.connection.set_max_body_size(DRAINED)  # type: ignore[attr-defined]
        try:
            await self._look()
        except Exception as error:
            self._refusal = error
            self.request.connection.set_max_body_size(MAX_DRAINED)  # type: ignore[attr-defined]

    async def _look(self) -> None:
        self.enter()
        method = self.request.method or ""
        route = self.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            takes = ", ".join(sorted(self.routes))
            self.set_header("Allow", takes)
            raise BadRequest(f"{self.request.path[:200]} takes {takes}, not {method[:20]}", status=405)
        self.route = route
        self._visitor = await self.look(anywhere=route.anywhere)
        if not route.public and not self._visitor.authenticated:
            raise NotAllowed(LOG_IN)
        declared = self.request.headers.get("Content-Length", "")
        if declared.isdigit() and int(declared) > route.largest:
            raise TooLarge(f"the body is over the limit of {route.largest} bytes")
        if route.upload:
            store = self.door.runtime.store
            assert store
            self._upload = Upload(store.data_dir, self.request.headers.get("Content-Type", ""))

    async def data_received(self, chunk: bytes) -> None:
        if self._refusal:
            return
        self._got += len(chunk)
        try:
            if self._got > self.route.largest:
                self._content.clear()
                raise TooLarge(f"the body is over the limit of {self.route.largest} bytes")
            if self._upload:
                await asyncio.to_thread(self._upload.feed, chunk)
            else:
                self.door.runtime.bodies.account(self).resize(self._got)
                self._content += chunk
        except Exception as error:
            self._content.clear()
            self.door.runtime.bodies.close(self)
            self._refusal = error

    def on_finish(self) -> None:
        """Release the body's bytes from the memory budget."""
        self.door.runtime.bodies.close(self)

    async def serve(self, **path: str) -> None:
        """Run the route and write its response, or the error response; the same for every method."""
        self._serving = True
        try:
            if self._refusal:
                raise self._refusal
            await self._run(path)
        except Exception as error:
            await self._put_away()
            self.refuse(error)

    async def _put_away(self) -> None:
        upload, self._upload = self._upload, None
        if upload:
            await asyncio.to_thread(upload.close)

    get = head = post = put = patch = delete = options = serve

    async def _run(self, path: dict[str, str]) -> None:
        route, store = self.route, self.door.runtime.store
        assert store
        browser = self.get_cookie(browser_cookie_name(store)) or ""
        call = Call(self.door, store, self._visitor, path, self.cookie_of(store), browser)
        given = await self._given(route)
        if route.threaded:
            answer = await asyncio.to_thread(route.run, call, **given)
        else:
            answer = await route.run(call, **given)
        await self._put_away()
        if route.method != "GET":
            await self.door.runtime.refresh()
        if call.begun is not None:
            self._tell_session(call)
        self.set_status(route.status)
        await self._answer(answer)

    async def _given(self, route: Route) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if self._upload:
            await asyncio.to_thread(self._upload.finish)
            given["upload"] = self._upload
        elif route.body:
            given["body"] = await self._body(route.body)
        elif self._content:
            raise BadRequest(f"{route.method} {route.path} takes no body")
        return given | self._query(route)

    async def _answer(self, answer: Any) -> None:
        if isinstance(answer, Text):
            self.set_header("Content-Type", answer.content_type)
            self.finish(answer.text)
        elif isinstance(answer, Download):
            await send_file(self, answer)
        elif isinstance(answer, Lines):
            self.set_header("Content-Type", NDJSON)
            self._telling = asyncio.get_running_loop().create_task(send_lines(self, answer))
            self.door.telling.add(self._telling)
            await asyncio.wait([self._telling])
            if not self._telling.cancelled():
                self._telling.result()
        elif answer is None:
            self.clear_header("Content-Type")
            self.finish()
        else:
            self.set_header("Content-Type", "application/json")
            self.finish(TypeAdapter(self.route.answer).dump_json(answer, by_alias=True))

    def on_connection_close(self) -> None:
        if self._telling:
            self._telling.cancel()
        if not self._serving:  # the client disconnected while sending its body
            super().on_connection_close()
            self.door.runtime.tasks.start(self._put_away(), "upload")

    async def _body(self, model: type[BaseModel]) -> BaseModel:
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind == CURLS and self._is_curl()):
            raise BadRequest("the body has to be JSON: say content-type: application/json", status=415)
        if len(self._content) <= BIG:
            return self._read(model)
        async with self.door.runtime.large_bodies:
            return await asyncio.to_thread(self._read, model)

    def _read(self, model: type[BaseModel]) -> BaseModel:
        server = self.door.runtime.config.rules.server
        scan(raw := bytes(self._content), JsonBounds(server.json_depth, server.messages))
        return _valid(lambda: model.model_validate_json(raw))

    def _is_curl(self) -> bool:
        """Return whether a form body is JSON sent by `curl -d`.

        Accepted with a token only, which a browser never sends by itself.
        """
        return self._visitor.kind == "token" and self._content.lstrip()[:1] == b"{"

    def _query(self, route: Route) -> dict[str, Any]:
        said = {
            name: values[-1].decode("utf-8", "replace")
            for name, values in self.request.query_arguments.items()
            if values
        }
        if route.query:
            query = route.query
            return {"query": _valid(lambda: query.model_validate(said))}
        if said:
            raise BadRequest(f"{route.method} {route.path} takes nothing behind the ?", param=next(iter(said)))
        return {}

    # the session

    def _tell_session(self, call: Call) -> None:
        name, secure = cookie_name(call.store), self.door.secure
        if call.begun:
            self.set_cookie(
                name, call.begun, httponly=True, samesite="Lax", secure=secure, max_age=int(sessions.LASTS), path="/"
            )
            if not sessions.known_browser(call.store, call.browser):
                self.set_cookie(
                    browser_cookie_name(call.store),
                    sessions.remember_browser(call.store),
                    httponly=True,
                    samesite="Strict",
                    secure=secure,
                    max_age=int(sessions.BROWSER_LASTS),
                    path="/api/",
                )
        else:
            self.clear_cookie(name, path="/")


def cookie_name(store: Store) -> str:
    """Return the session cookie's name, unique to the data directory: cookies are shared by all ports of a host."""
    return f"omniroute_session_{store.vault.derive('cookie').hex()[:8]}"


def browser_cookie_name(store: Store) -> str:
    """Return the name of the cookie that marks a browser as having logged in before."""
    return cookie_name(store).replace("session", "browser")


def _valid(read: Callable[[], BaseModel]) -> BaseModel:
    """Validate client input, raising MalformedRequest if it is invalid.

    A ValidationError elsewhere, as in a response, stays one and is reported as a failure of the gateway.
    """
    try:
        return read()
    except ValidationError as error:
        raise MalformedRequest(error) from error
