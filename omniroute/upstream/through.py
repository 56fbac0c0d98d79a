"""Side calls through a network proxy, asked in the words that the traffic uses: a test proves the traffic's way."""

import asyncio
import ssl
from collections.abc import Iterable

import httpcore
import httpx

from omniroute.netproxy.handshake import Connect, Handshake, Refused, place
from omniroute.netproxy.proxy import Proxy
from omniroute.netproxy.socks5 import Socks5
from omniroute.upstream.causes import named

SHARE = 0.9
"""Of the time for a whole call: the rest is left to say that it was the proxy that took it."""
CHUNK = 65536


class Through(httpx.AsyncBaseTransport):
    """Opens a tunnel for each connection; where a proxy opens none for plain HTTP, asks it to forward."""

    def __init__(self, proxy: Proxy) -> None:
        context = httpx.create_ssl_context(trust_env=False)
        self._tunnels = httpx.AsyncHTTPTransport(verify=context)
        self._tunnels._pool = httpcore.AsyncConnectionPool(
            ssl_context=context, network_backend=_Backend(proxy, context)
        )
        self._forwards: httpx.AsyncHTTPTransport | None = None
        if not proxy.tunnels_all:
            auth = (proxy.user, proxy.password) if proxy.credential else None
            own = context if proxy.scheme == "https" else None
            self._forwards = httpx.AsyncHTTPTransport(
                verify=context, proxy=httpx.Proxy(str(proxy), auth=auth, ssl_context=own)
            )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it. httpx.ProxyError says what is wrong with the proxy, and no secret."""
        try:
            return await self._tunnels.handle_async_request(request)
        except Refused as refused:
            if not refused.may_forward or request.url.scheme != "http" or self._forwards is None:
                raise httpx.ProxyError(str(refused)) from refused
            response = await self._forwards.handle_async_request(request)
            if said := refused.again(response.status_code):
                await response.aclose()
                raise httpx.ProxyError(said) from refused
            return response

    async def aclose(self) -> None:
        await self._tunnels.aclose()
        if self._forwards:
            await self._forwards.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects by way of the proxy; what httpcore does with the connection then, TLS included, is not its concern."""

    def __init__(self, proxy: Proxy, context: ssl.SSLContext) -> None:
        self._proxy, self._context = proxy, context
        self._direct = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's own)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(None if timeout is None else timeout * SHARE):
                return await self._open(host, port)
        except TimeoutError as error:
            said = f"no tunnel to {place(host, port)} within {timeout:g} s"
            raise httpcore.ProxyError(f"proxy {self._proxy}: {said}") from error
        except (httpcore.NetworkError, OSError) as error:
            why = named(error, place(self._proxy.host, self._proxy.port)) or f"it broke the connection: {error}"
            raise httpcore.ProxyError(f"proxy {self._proxy}: {why}") from error

    async def sleep(self, seconds: float) -> None:
        await self._direct.sleep(seconds)

    async def _open(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        stream = await self._direct.connect_tcp(self._proxy.host, self._proxy.port)
        try:
            if self._proxy.scheme == "https":
                stream = await stream.start_tls(self._context, self._proxy.host)
            way: Handshake = (Socks5 if self._proxy.tunnels_all else Connect)(self._proxy, host, port)
            await stream.write(way.start())
            while not way.done:
                heard = await stream.read(CHUNK)
                if not heard:
                    raise Refused(self._proxy, "it closed the connection")
                if said := way.feed(heard):
                    await stream.write(said)
        except BaseException:
            await stream.aclose()
            raise
        return stream
