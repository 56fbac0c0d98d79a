"""Bounds on the requests of mitmweb's own server, which would buffer 4 GB of a body before authenticating it."""

from collections.abc import Callable
from typing import Any

from tornado.httputil import HTTPHeaders, RequestStartLine, parse_cookie
from tornado.web import Application, decode_signed_value

MAX_ANONYMOUS_BODY = 64 * 1024
"""Bytes of a request body without mitmweb's session: enough for its log-in form."""
IDLE_SECONDS = 300.0
"""Seconds for a request's headers, and between two requests on one connection."""


def bound_requests(app: Application) -> Callable[[], None]:
    """Bound header timeouts and unauthenticated bodies of an application's requests; return a function to undo it."""
    accept = app.start_request

    def start_request(server: Any, connection: Any) -> Any:
        connection.params.header_timeout = min(connection.params.header_timeout or IDLE_SECONDS, IDLE_SECONDS)
        delegate: Any = accept(server, connection)
        receive = delegate.headers_received

        def headers_received(start_line: RequestStartLine, headers: HTTPHeaders) -> Any:
            if not has_session(app, headers):
                connection.set_max_body_size(MAX_ANONYMOUS_BODY)
            return receive(start_line, headers)

        delegate.headers_received = headers_received
        return delegate

    def restore() -> None:
        del app.__dict__["start_request"]

    app.__dict__["start_request"] = start_request
    return restore


def has_session(app: Application, headers: HTTPHeaders) -> bool:
    """Return whether a request carries mitmweb's session cookie or its password."""
    settings = app.settings
    scheme, _, password = headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer" and settings["is_valid_password"](password):
        return True
    name = settings["auth_cookie_name"]()
    cookie = parse_cookie(headers.get("Cookie", "")).get(name)
    return bool(cookie and decode_signed_value(settings["cookie_secret"], name, cookie, min_version=2))
