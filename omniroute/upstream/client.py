"""HTTP for side calls: to providers (never the traffic itself) and to the running gateway."""

import asyncio

import httpx

from omniroute import __version__
from omniroute.dialects.upstream_errors import one_line
from omniroute.netproxy.proxy_url import Proxy
from omniroute.upstream.transport import ProxiedTransport, named

MAX_BODY = 16 * 1024 * 1024
HEADERS = {"user-agent": f"omniroute/{__version__}"}


def provider_client(
    timeout: float, transport: httpx.AsyncBaseTransport | None = None, proxy: Proxy | None = None
) -> httpx.AsyncClient:
    """Give a client that reaches providers as the gateway does: through the proxy that was chosen, else directly."""
    if transport is None and proxy is not None:
        transport = ProxiedTransport(proxy)
    return httpx.AsyncClient(timeout=timeout, transport=transport, headers=HEADERS, trust_env=False)


def gateway_client(url: str, *, connect: float, read: float) -> httpx.Client:
    """Give a client of the running gateway at `url`."""
    return httpx.Client(base_url=url, timeout=httpx.Timeout(read, connect=connect), headers=HEADERS, trust_env=False)


async def fetch(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes | None = None,
    *,
    most: int = MAX_BODY,
) -> tuple[int, bytes]:
    """Make one call within the client's timeout and give its status and body, cut at `most` bytes.

    Raises OSError with a sentence that names the fault and neither a header nor a key.
    """
    limit = client.timeout.read
    try:
        async with asyncio.timeout(limit), client.stream(method, url, headers=headers, content=body) as response:
            got = bytearray()
            async for chunk in response.aiter_bytes():
                got += chunk
                if len(got) > most:
                    break
            return response.status_code, bytes(got[:most])
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeEncodeError) as error:
        raise OSError(describe(error, url, limit)) from error


def describe(error: Exception, url: str, limit: float | None) -> str:
    """Name what went wrong between us and `url`."""
    where = url.partition("://")[2].partition("/")[0]
    if isinstance(error, httpx.ProxyError):
        return str(error)
    if fault := named(error, where):
        return fault
    match error:
        case httpx.ConnectTimeout():
            return f"no connection to {where} within {limit:g} s"
        case httpx.TimeoutException() | TimeoutError():
            return f"no whole answer from {where} within {limit:g} s"
        case httpx.LocalProtocolError() | UnicodeEncodeError():
            return "the key holds characters that no header can carry"  # their own words would repeat it
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return f"{url!r} is no usable URL"
        case httpx.DecodingError():
            return f"{where} sent a body that is not in the encoding it names"
        case _:
            return one_line(f"{where} broke the connection: {str(error)[:500] or type(error).__name__}")
