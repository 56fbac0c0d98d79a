"""Claims what came in on our port and takes the keys out of it."""

import secrets

from mitmproxy import http

from omniroute.access import url_keys
from omniroute.addons.guard import guard
from omniroute.addons.http_layer import is_ours
from omniroute.addons.response_headers import PREFIX
from omniroute.catalog.provider import DialectName
from omniroute.errors import GatewayError, UpgradeRequired
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.routing.endpoints import claim, dialect_of, is_managed

KEY_HEADERS = frozenset((b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key"))
CREDENTIALS = KEY_HEADERS | {b"proxy-authorization", b"cookie"}
MARK = url_keys.MARK.encode()
HOP = (
    b"host",
    b"connection",
    b"proxy-connection",
    b"keep-alive",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
    b"content-length",
    b"content-encoding",
    b"accept-encoding",
    b"expect",
    b"forwarded",
    b"via",
    b"origin",
    b"referer",
)
STAYS = CREDENTIALS.union(HOP)
HOP_PREFIXES = (b"x-forwarded-", b"x-omniroute-", b"sec-", b"x-real-ip")


class Intake:
    """From here on a flow is an exchange; what is not ours is answered here."""

    name = "omniroute.intake"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @guard
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Begin an exchange. The client's key leaves the flow before anybody can show or save it."""
        if flow.is_replay or not is_ours(flow.client_conn):
            return
        path, _, query = flow.request.path.partition("?")
        google = "x-goog-api-key" in flow.request.headers
        shown, misplaced = _take_keys(flow.request)
        target = url_keys.clean(path, query)
        if (target.path, target.query) != (path, query):
            path, query = target.path, target.query
            flow.request.path = f"{path}?{query}" if query else path
        id, client = secrets.token_hex(8), flow.client_conn
        visit = self.runtime.visits.take(client.peername, client.sockname, id)
        self.runtime.exchanges[flow] = Exchange(
            id=id,
            at=self.runtime.wall(),
            started=self.runtime.clock(),
            dialect=dialect_of(path),
            path=path,
            query=query,
            headers=_about(flow.request.headers.fields),
            config=visit.config if visit and visit.config else self.runtime.config,
            internal=visit,
            presented_keys=() if visit else (*shown, *target.keys),
            misplaced_key=misplaced or target.misplaced,
            gemini_client=google,
            progress=flow.request.headers.get(PREFIX + "progress", "").strip().lower() == "true",
        )
        if visit is None:
            self._admit(flow)

    def _admit(self, flow: http.HTTPFlow) -> None:
        """Count the request as under way; GatewayError with status 503 where there are too many."""
        in_flight, client = self.runtime.in_flight, flow.client_conn
        most = self.runtime.config.rules.server.requests
        clients = self.runtime.clients
        if clients:
            most = min(most, clients.connections.upstream_limit)
        if len(in_flight) >= most or (clients and clients.is_spare((client.peername, client.sockname))):
            raise GatewayError(
                "the gateway has as many requests under way as it may have: try again in a second",
                status=503,
                retry_after=1,
            )
        in_flight.add(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        """Count the request as ended."""
        self.runtime.in_flight.discard(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """Count the request as ended: the client has left, or the flow was killed."""
        self.runtime.in_flight.discard(flow)

    def request(self, flow: http.HTTPFlow) -> None:
        """Note when the body was whole."""
        if exchange := self.runtime.exchanges.get(flow):
            exchange.received = self.runtime.clock()


def read_path(runtime: Runtime, flow: http.HTTPFlow, exchange: Exchange) -> None:
    """Read from method and path what is requested, and in which dialect. Raises GatewayError for what is not served."""
    if runtime.store is None:
        raise GatewayError("the gateway is starting", status=503, retry_after=1)
    if is_managed(flow.request.path):  # answered before the body: it may be a password, and a flow is shown and saved
        raise GatewayError("the management of the gateway is starting", status=503, retry_after=1)
    if flow.request.path.startswith(("/v1/responses", "/responses")) and _wants_websocket(flow.request):
        exchange.dialect = "responses"
        raise UpgradeRequired("no WebSocket here: POST the request to /v1/responses")
    claimed = claim(flow.request.method, exchange.path)
    exchange.dialect = claimed.dialect if claimed.kind == "chat" else _sdk(flow.request, exchange, claimed.dialect)
    exchange.claimed = claimed


def _take_keys(request: http.Request) -> tuple[tuple[str, ...], bool]:
    """Remove credentials from the headers; return the keys shown, and whether one stands in an unknown header."""
    kept: list[tuple[bytes, bytes]] = []
    shown: list[str] = []
    misplaced = False
    for field in request.headers.fields:
        name, value = field[0].lower(), field[1]
        if name in KEY_HEADERS:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                value = value[7:].strip()
            shown.append(value.decode("utf-8", "surrogateescape"))
        elif name in CREDENTIALS:
            continue
        elif MARK in value:
            misplaced = True
        else:
            kept.append(field)
    request.headers.fields = tuple(kept)
    return tuple(key for key in shown if key), misplaced


def _about(fields: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Give what the client says of itself and its request: what ends at each hop stays here."""
    said = b",".join(value for name, value in fields if name.lower() == b"connection")
    stays = STAYS.union(name.strip().lower() for name in said.split(b",")) if said else STAYS
    return tuple(
        (name, value)
        for name, value in fields
        if (low := name.lower()) not in stays and not low.startswith(HOP_PREFIXES)
    )


def _sdk(request: http.Request, exchange: Exchange, dialect: DialectName) -> DialectName:
    """Tell who lists models: three SDKs ask one path, and all but OpenAI's name their own in a header."""
    if dialect == "gemini" or exchange.gemini_client:
        return "gemini"
    return "claude" if "anthropic-version" in request.headers else dialect


def _wants_websocket(request: http.Request) -> bool:
    return str(request.headers.get("upgrade", "")).lower() == "websocket"
