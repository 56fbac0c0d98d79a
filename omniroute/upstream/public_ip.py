"""Which address the world sees: asked of a service that answers with it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from omniroute.netproxy.proxy_url import Proxy
from omniroute.upstream.client import fetch, provider_client

IP_SERVICE = "https://api.ipify.org"
FIELDS = ("ip", "origin", "query", "ip_addr", "address")
"""What services call it that answer in JSON."""


@dataclass(frozen=True, slots=True)
class PublicIp:
    """What a test call found; `detail` is one sentence without a secret in it."""

    ok: bool
    latency_ms: float
    ip: str | None
    detail: str


async def fetch_public_ip(
    service: str, proxy: Proxy | None, limit: float, clock: Callable[[], float] = time.perf_counter
) -> PublicIp:
    """Ask a service for our address through a proxy, or directly."""
    start = clock()
    try:
        async with provider_client(limit, proxy=proxy) as client:
            status, body = await fetch(client, "GET", service, {"accept": "text/plain, application/json"})
    except OSError as error:
        return PublicIp(False, _since(start, clock), None, str(error))
    took = _since(start, clock)
    if status != 200:
        return PublicIp(False, took, None, f"{service} answers with status {status}")
    if (ip := read_address(body)) is None:
        return PublicIp(False, took, None, f"{service} answers, but not with an address")
    return PublicIp(True, took, ip, f"the world sees {ip}")


def read_address(body: bytes) -> str | None:
    """Read an address that is the whole answer, or a field of a JSON object; None where there is none."""
    text = body.decode("utf-8", "replace").strip()
    try:
        read = json.loads(text)
    except ValueError:
        read = text
    if isinstance(read, dict):
        read = next((read[name] for name in FIELDS if name in read), "")
    try:
        return str(ip_address(str(read).partition(",")[0].strip()))
    except ValueError:
        return None


def _since(start: float, clock: Callable[[], float]) -> float:
    return round((clock() - start) * 1000, 1)
