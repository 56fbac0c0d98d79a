"""Writes what an upstream is asked into the flow: mitmproxy shows it, and our layer sends it."""

from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from mitmproxy import http

from omniroute.catalog.provider import Provider
from omniroute.catalog.urls import endpoint
from omniroute.exchange import Exchange
from omniroute.routing.target import Target

ABOUT_THE_CLIENT = (b"user-agent", b"accept-language")
"""What is passed on to an upstream of another dialect; to the same dialect everything is."""


@lru_cache(maxsize=4096)
def _split(url: str) -> SplitResult:
    return urlsplit(url)


def write(request: http.Request, exchange: Exchange, target: Target, raw: bytes) -> None:
    """Make the request of a flow that of its target; the credential is added on the way out."""
    same = exchange.dialect == target.dialect
    url = _split(
        endpoint(
            target.provider,
            target.dialect,
            base_url=target.account.base_url,
            model=target.model,
            stream=exchange.stream,
        )
    )
    query = exchange.query if same else url.query
    data = request.data
    data.host = url.hostname or ""
    data.port = url.port or (443 if url.scheme == "https" else 80)
    data.scheme = url.scheme.encode()
    data.authority = b""
    data.method = b"POST"
    data.path = (f"{url.path}?{query}" if query else url.path).encode()
    data.headers = http.Headers(_headers(exchange, target.provider, same, url.netloc, len(raw)))
    data.content = raw


def _headers(exchange: Exchange, provider: Provider, same: bool, host: str, length: int) -> list[tuple[bytes, bytes]]:
    fields = [(b"host", host.encode())]
    if same:
        fields += exchange.headers
    else:
        fields += [f for f in exchange.headers if f[0].lower() in ABOUT_THE_CLIENT]
    present = {name.lower() for name, _ in fields}
    ours = ((name.lower().encode(), value.encode()) for name, value in provider.headers.items())
    fields += [field for field in ours if field[0] not in present]
    if b"content-type" not in present:
        fields.append((b"content-type", b"application/json"))
    fields += [(b"accept-encoding", b"identity"), (b"content-length", str(length).encode())]
    return fields
