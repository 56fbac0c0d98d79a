"""Which headers of an upstream a client receives."""

from itertools import product

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.test import tflow

from omniroute.addons.reply_headers import PASSED, PREFIXES, safe_value, stream_type
from omniroute.addons.response_headers import apply_gateway_headers
from omniroute.catalog.provider import DialectName
from omniroute.catalog.providers import node
from omniroute.config.deadlines import Deadlines
from omniroute.config.model import Account, Config
from omniroute.dialects.hub import Stream, Whole
from omniroute.dialects.ir import Usage
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.mitm.ports import Attempt
from omniroute.routing.target import RoutePath, Target

NEVER = [
    "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers", "set-cookie",
    "set-cookie2", "strict-transport-security", "x-frame-options", "content-security-policy", "clear-site-data",
    "location", "content-location", "refresh", "www-authenticate", "proxy-authenticate", "authentication-info",
    "service-worker-allowed", "alt-svc", "link", "via", "server", "connection", "keep-alive", "proxy-connection",
    "te", "trailer", "upgrade", "sourcemap", "x-powered-by", "nel", "report-to", "cross-origin-opener-policy",
    "permissions-policy", "x-xss-protection", "content-encoding", "content-disposition", "expires", "etag",
    "last-modified", "vary", "age", "warning", "x-omniroute-cache", "x-omniroute-peer", "accept-ch", "origin-trial",
    "public-key-pins", "x-accel-redirect", "x-sendfile", "x-robots-tag", "x-content-type-options",
]  # fmt: skip
PASSES = {
    "x-request-id": "req_1",
    "request-id": "req_2",
    "cf-ray": "abc-FRA",
    "retry-after": "3",
    "retry-after-ms": "20",
    "x-ratelimit-remaining-requests": "4",
    "x-ratelimit-limit-req-minute": "60",
    "anthropic-ratelimit-unified-status": "allowed",
    "ratelimit-policy": "x",
    "openai-processing-ms": "17",
    "openai-organization": "org",
    "openai-version": "2020-10-01",
    "anthropic-organization-id": "o",
    "x-codex-turn-state": "opaque",
    "x-codex-primary-used-percent": "12",
    "server-timing": "gfet4t7; dur=9",
    "x-quota-snapshot-chat": "q",
}
DIALECTS: tuple[DialectName, ...] = ("openai", "claude", "responses", "gemini")


def passed(
    fields: list[tuple[bytes, bytes]],
    *,
    client: DialectName = "openai",
    upstream: DialectName = "openai",
    stream: bool = False,
    version: str = "HTTP/1.1",
    model: str = "m",
) -> http.Response:
    """Give the head that a client receives."""
    flow = tflow.tflow(resp=True)
    flow.request.http_version = "HTTP/1.1"
    flow.response = http.Response(
        version.encode(), 203, b"Refresh: 0", http.Headers(fields), b"" if stream else b"{}", None, 0, None
    )
    way = Stream(client, upstream, model="m") if stream else None
    attempt = Attempt(
        {"authorization": "Bearer upstream-key"}, Deadlines(), way, lambda raw: Whole(raw, Usage(), True, None), True
    )
    attempt.content_at = 1.0
    exchange = Exchange(
        id="e1", at=0.0, started=0.0, dialect=client, path="/", query="", headers=(), config=Config(), stream=stream
    )
    target = Target(
        Account("a", "up", "main"), node("up", upstream, "http://up/v1"), model, upstream, RoutePath("x"), ""
    )
    exchange.attempts_made = [AttemptRecord(target, attempt)]
    apply_gateway_headers(exchange, flow, flow.response)
    return flow.response


def spelled(name: str) -> bytes:
    return "-".join(part.capitalize() for part in name.split("-")).encode()


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2.0"])
def test_only_listed_headers_pass_in_every_kind_of_answer(version: str) -> None:
    fields = [(spelled(name), b"1") for name in NEVER] + [(name.encode(), v.encode()) for name, v in PASSES.items()]
    for client, upstream, stream in product(DIALECTS, DIALECTS, (False, True)):
        head = passed(fields, client=client, upstream=upstream, stream=stream, version=version)
        names = {name.decode().lower() for name, _ in head.headers.fields}
        assert not names & {*NEVER} - {"content-length"}
        for name, value in PASSES.items():
            assert head.headers[name] == value
        framing = (
            {"content-type", "cache-control", "transfer-encoding"} if stream else {"content-type", "content-length"}
        )
        assert {name for name in names if not name.startswith("x-omniroute-")} == {*PASSES} | framing
        assert (head.status_code, head.reason) == (200, "OK")


def test_listed_headers_that_connection_names_end_here() -> None:
    fields = [
        (b"Connection", b"close, X-Request-Id"),
        (b"connection", b"CF-Ray"),
        (b"x-request-id", b"r"),
        (b"cf-ray", b"c"),
    ]
    head = passed(fields)
    assert "cf-ray" not in head.headers
    assert head.headers["x-request-id"] == "e1", "the gateway's own takes its place"


def test_values_that_hold_control_characters_a_credential_or_too_much_stay_behind() -> None:
    for value in (b"a\rset-cookie: b", b"a\nb", b"a\0", b"\x1b[2J", b"\x7f", b"upstream-key", b"x" * 8193):
        assert "cf-ray" not in passed([(b"cf-ray", value)]).headers, value
    assert passed([(b"cf-ray", b"caf\xe9\tx")]).headers.fields[0] == (b"cf-ray", b"caf\xe9\tx")


@given(st.text(max_size=30), st.binary(max_size=30))
def test_no_name_passes_that_is_not_listed(name: str, value: bytes) -> None:
    given_name = name.encode("utf-8", "surrogatepass")
    fields = passed([(given_name, value)]).headers.fields
    low = given_name.lower()
    known = low in PASSED or low.startswith(PREFIXES)
    assert known or all(kept != given_name for kept, _ in fields if kept not in (b"content-type", b"content-length"))


@every(
    ("given", "as_array", "expected"),
    [
        ("text/html", False, "text/event-stream"),
        ("text/html", True, "application/json"),
        ("", False, "text/event-stream"),
        ("Text/Event-Stream; charset=x\r\n", True, "text/event-stream"),
        ("application/json", False, "application/json"),
        ("image/svg+xml", False, "text/event-stream"),
    ],
)
def test_a_stream_has_the_type_of_a_stream(given: str, as_array: bool, expected: str) -> None:
    assert stream_type(given, as_array=as_array) == f"{expected}; charset=utf-8"


@given(st.text())
def test_names_in_headers_are_printable_ascii(model: str) -> None:
    route = passed([], model=model).headers["x-omniroute-route"]
    assert route == safe_value(f"up/{model}")
    assert route.isascii()
    assert route.isprintable()


def test_long_texts_in_headers_are_cut() -> None:
    assert len(safe_value("é" * 100_000)) < 20_000
    assert safe_value("up/gpt-4o, é") == "up/gpt-4o, %C3%A9"
