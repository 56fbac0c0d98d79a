"""Sends a request to the gateway's own port, as any client would, and gives what comes back as it comes."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from omniroute.errors import GatewayError
from omniroute.gateway.live_monitor import CapturedExchange, MonitoredExchange
from omniroute.gateway.runtime import Runtime
from omniroute.gateway.self_requests import InternalRequest
from omniroute.upstream.client import HEADERS, describe

JSON = {"content-type": "application/json", "accept-encoding": "identity"}


PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: the gateway's own port speaks plain HTTP, and reading certificates would hold everybody up."""
LOOKS, LOOK = 100, 0.02
"""How often one looks whether an exchange is over whose client has all of it, and the seconds between two looks."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """What is asked."""

    path: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A whole answer, as much of it as was wanted."""

    status: int
    body: bytes
    content_type: str


@asynccontextmanager
async def sent(runtime: Runtime, visit: InternalRequest, letter: RawRequest) -> AsyncIterator[httpx.Response]:
    """Give the answer when its head is there; who leaves early has it cancelled, as a client that hangs up.

    Raises OSError in one sentence where the gateway itself cannot be reached, or hangs up.
    """
    if not runtime.address:
        raise GatewayError("the gateway does not answer yet", status=503, retry_after=1)
    url = near(runtime.address)
    headers = HEADERS | JSON | dict(letter.headers)
    extensions = {"trace": _watch(runtime, visit)}
    try:
        async with AsyncExitStack() as stack:
            client = httpx.AsyncClient(
                base_url=url, timeout=httpx.Timeout(None, connect=5), trust_env=False, verify=PLAIN
            )
            await stack.enter_async_context(client)
            asked = client.stream("POST", letter.path, content=letter.body, headers=headers, extensions=extensions)
            yield await stack.enter_async_context(asked)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(describe(error, url, None)) from error
    finally:
        runtime.visits.forget(visit)


async def ask(
    runtime: Runtime, visit: InternalRequest, letter: RawRequest, *, seconds: float, largest: int
) -> RawResponse:
    """Give the whole answer. Raises OSError where there is none in time."""
    got = bytearray()
    try:
        async with asyncio.timeout(seconds), sent(runtime, visit, letter) as answer:
            async for piece in answer.aiter_bytes():
                got += piece
                if len(got) > largest:
                    break
    except TimeoutError:
        raise OSError(f"no whole answer within {seconds:g} s") from None
    return RawResponse(answer.status_code, bytes(got[:largest]), answer.headers.get("content-type", ""))


async def recorded_exchange(runtime: Runtime, id: str) -> tuple[MonitoredExchange, CapturedExchange] | None:
    """Give an exchange as it was seen to pass, when it is over or soon after."""
    found = runtime.watching.find(id)
    for _ in range(LOOKS):
        if found is None or found[0].state == "done":
            break
        await asyncio.sleep(LOOK)
        found = runtime.watching.find(id)
    return found


def _watch(runtime: Runtime, visit: InternalRequest) -> Callable[[str, dict[str, Any]], Any]:
    """Tell the gateway of the connection as soon as it is there, before anything is sent on it."""

    async def told(event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            opened = info["return_value"]
            near, far = (opened.get_extra_info(f"{side}_addr") for side in ("client", "server"))
            runtime.visits.expect(near, far, visit)

    return told


def near(address: str) -> str:
    """Give where the gateway is for this machine: who listens everywhere has no address to be asked at."""
    at = urlsplit(address)
    try:
        host = ip_address(at.hostname or "")
    except ValueError:
        return address
    if not host.is_unspecified:
        return address
    return f"http://{'[::1]' if host.version == 6 else '127.0.0.1'}:{at.port}"
