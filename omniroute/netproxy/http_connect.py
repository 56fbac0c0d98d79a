"""Client side of the handshake with an HTTP proxy: sans-io, one object per tunnel.

    start() ─► bytes to send;  feed(bytes) ─► bytes to send, until `done`

Both raise `TunnelRefused` when the tunnel cannot be opened.
"""

from http import HTTPStatus
from typing import Protocol

from omniroute.netproxy.proxy_url import Proxy

MAX_HEAD = 64 * 1024
"""Maximum bytes of the response head to CONNECT."""

NO_TUNNEL = (400, 403, 404, 405, 501)
"""Statuses by which a proxy refuses to tunnel to a port: many do so for any port but 443."""


class TunnelRefused(Exception):
    """The proxy refused to open the tunnel. The message has proxy and reason, and no secret."""

    def __init__(self, proxy: Proxy, why: str, *, status: int | None = None) -> None:
        super().__init__(f"proxy {proxy}: {why}")
        self.proxy, self.status = proxy, status

    @property
    def may_forward(self) -> bool:
        """Whether the proxy may still forward plain HTTP requests."""
        return self.status in NO_TUNNEL

    def again(self, status: int) -> str | None:
        """Describe the status of a forwarded request if it is an error of the proxy itself; None if of the upstream."""
        if status == 407:
            return f"proxy {self.proxy}: {authentication_problem(self.proxy)} (407)"
        return f"{self}, and forwards nothing to it" if status == self.status else None


class Handshake(Protocol):
    @property
    def done(self) -> bool:
        """Whether the tunnel is open: all further bytes are the upstream's."""

    def start(self) -> bytes:
        """Return the first bytes to send."""

    def feed(self, data: bytes) -> bytes:
        """Feed bytes from the proxy, in pieces of any size; return the bytes to send."""


class HttpConnect:
    """HTTP/1.1 CONNECT (RFC 9110 section 9.3.6)."""

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
            return TunnelRefused(self._proxy, authentication_problem(self._proxy) + " (407)")
        try:
            shown = f"{status} {HTTPStatus(status).phrase}"
        except ValueError:
            shown = str(status)
        said = "opens no tunnel to" if status < 500 or status in NO_TUNNEL else "cannot reach"
        return TunnelRefused(self._proxy, f"it {said} {self._place} ({shown})", status=status)


def authentication_problem(proxy: Proxy) -> str:
    """Describe why authentication at the proxy failed: wrong credentials, or none."""
    return "it does not accept the user and the password" if proxy.credential else "it wants a user and a password"


def place(host: str, port: int) -> str:
    """Format host and port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
