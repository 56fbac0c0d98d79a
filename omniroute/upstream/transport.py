"""Side calls through a network proxy, asked in the words that the traffic uses: a test proves the traffic's way."""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Iterator

import httpcore
import httpx

from omniroute.netproxy.http_connect import Handshake, HttpConnect, TunnelRefused, place
from omniroute.netproxy.proxy_url import Proxy
from omniroute.netproxy.socks5 import Socks5


def named(error: BaseException, where: str) -> str | None:
    """Name the fault between us and `where`; None for one that has no name here."""
    return next(filter(None, (_name(cause, where) for cause in _causes(error))), None)


def _name(cause: BaseException, where: str) -> str | None:
    match cause:
        case socket.gaierror():
            return f"the host of {where} is not known"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {where} is not valid: {cause.verify_message}"
        case ssl.SSLError():
            return f"TLS with {where} failed: {cause.reason or cause}"
        case ConnectionRefusedError():
            return f"{where} refuses connections: is it running?"
        case _:
            return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Walk down to what the libraries have wrapped."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__


SHARE = 0.9
"""Of the time for a whole call: the rest is left to say that it was the proxy that took it."""
CHUNK = 65536


class ProxiedTransport(httpx.AsyncBaseTransport):
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
        except TunnelRefused as refused:
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
            way: Handshake = (Socks5 if self._proxy.tunnels_all else HttpConnect)(self._proxy, host, port)
            await stream.write(way.start())
            while not way.done:
                heard = await stream.read(CHUNK)
                if not heard:
                    raise TunnelRefused(self._proxy, "it closed the connection")
                if said := way.feed(heard):
                    await stream.write(said)
        except BaseException:
            await stream.aclose()
            raise
        return stream
