"""What is said to a proxy until it lets bytes through: sans-io, one object a tunnel.

    start() ─► bytes to send;  feed(bytes) ─► bytes to send, until `done`

Both raise `Refused` when there will be no tunnel.
"""

from http import HTTPStatus
from typing import Protocol

from omniroute.netproxy.proxy_url import Proxy

MAX_HEAD = 64 * 1024
"""Bytes of the head of an answer to CONNECT."""

NO_TUNNEL = (400, 403, 404, 405, 501)
"""With these a proxy says that it opens no tunnel there: many do so for any port but 443."""


class TunnelRefused(Exception):
    """The proxy opens no tunnel; the text names proxy and reason, and no secret."""

    def __init__(self, proxy: Proxy, why: str, *, status: int | None = None) -> None:
        super().__init__(f"proxy {proxy}: {why}")
        self.proxy, self.status = proxy, status

    @property
    def may_forward(self) -> bool:
        """Whether it may still forward requests that are not encrypted."""
        return self.status in NO_TUNNEL

    def again(self, status: int) -> str | None:
        """Say what the status of a forwarded request means, where it is the proxy's own word and not the upstream's."""
        if status == 407:
            return f"proxy {self.proxy}: {basic_authorization(self.proxy)} (407)"
        return f"{self}, and forwards nothing to it" if status == self.status else None


class Handshake(Protocol):
    @property
    def done(self) -> bool:
        """The tunnel is open: all that follows is the upstream's."""

    def start(self) -> bytes:
        """Say the first words."""

    def feed(self, data: bytes) -> bytes:
        """Hear the proxy, in pieces of any size, and answer."""


class HttpConnect:
    """CONNECT of HTTP/1.1 (RFC 9110 section 9.3.6)."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self.done = False
        self._proxy, self._place = proxy, place(host, port)
        self._heard = b""

    def start(self) -> bytes:
        lines = [f"CONNECT {self._place} HTTP/1.1", f"Host: {self._place}"]
        if said := self._proxy.authorization:
            lines.append(f"Proxy-Authorization: {said}")
        return "\r\n".join([*lines, "", ""]).encode()

    def feed(self, data: bytes) -> bytes:
        self._heard += data
        head, end, rest = self._heard.partition(b"\r\n\r\n")
        if not b"HTTP/1.".startswith(head[:7]) or (not end and len(head) > MAX_HEAD):
            raise TunnelRefused(self._proxy, "what it says is not HTTP: is it a proxy of another kind?")
        if not end:
            return b""
        status = head[9:12]
        if not status.isdigit() or head[8:9] != b" ":
            raise TunnelRefused(self._proxy, "what it says is not HTTP: is it a proxy of another kind?")
        if not 200 <= (code := int(status)) < 300:
            raise self._refused(code)
        if rest:
            raise TunnelRefused(self._proxy, f"it speaks for {self._place} before that was asked anything")
        self.done = True
        return b""

    def _refused(self, status: int) -> TunnelRefused:
        if status == 407:
            return TunnelRefused(self._proxy, basic_authorization(self._proxy) + " (407)")
        try:
            shown = f"{status} {HTTPStatus(status).phrase}"
        except ValueError:
            shown = str(status)
        said = "opens no tunnel to" if status < 500 or status in NO_TUNNEL else "cannot reach"
        return TunnelRefused(self._proxy, f"it {said} {self._place} ({shown})", status=status)


def basic_authorization(proxy: Proxy) -> str:
    """Say that a proxy wants another user and password, or any at all."""
    return "it does not accept the user and the password" if proxy.credential else "it wants a user and a password"


def place(host: str, port: int) -> str:
    """Write host and port as both proxies and people read them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
