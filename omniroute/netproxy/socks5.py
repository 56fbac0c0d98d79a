"""Client side of SOCKS5 (RFC 1928) with user and password (RFC 1929).

Host names are resolved by the proxy, with `socks5` as with `socks5h`: only the proxy sees the lookup, and names that
only the proxy can resolve work.
"""

from ipaddress import ip_address

from omniroute.netproxy.http_connect import TunnelRefused, authentication_problem, place
from omniroute.netproxy.proxy_url import MAX_CREDENTIAL, Proxy

VERSION, LOGIN_VERSION = 5, 1
OPEN, BY_PASSWORD, NOTHING_SUITS = 0, 2, 0xFF
CONNECT = 1
IPV4, NAME, IPV6 = 1, 3, 4
MAX_NAME = 255
REPLIES = {
    1: "it failed to reach {}",
    2: "its rules do not allow {}",
    3: "it finds no network that leads to {}",
    4: "it finds no way to the host of {}",
    5: "{} refuses its connection",
    6: "{} did not answer it in time",
    7: "it does not know how to connect to {}",
    8: "it cannot use the kind of address of {}",
}


class Socks5:
    """One tunnel. Steps: method ─► login ─► reply ─► done."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self.done = False
        self._proxy, self._host, self._port = proxy, host, port
        self._heard = b""
        self._step = self._method

    def start(self) -> bytes:
        for what, said in (("user", self._proxy.user), ("password", self._proxy.password)):
            if len(said.encode()) > MAX_CREDENTIAL:
                raise TunnelRefused(self._proxy, f"its {what} is longer than {MAX_CREDENTIAL} bytes")
        self._address()
        methods = (OPEN, BY_PASSWORD) if self._proxy.credential else (OPEN,)
        return bytes([VERSION, len(methods), *methods])

    def feed(self, data: bytes) -> bytes:
        self._heard += data
        said = b""
        while not self.done and (answer := self._step()) is not None:
            said += answer
        if self.done and self._heard:
            raise TunnelRefused(self._proxy, f"it speaks for {self._place} before that was asked anything")
        return said

    @property
    def _place(self) -> str:
        return place(self._host, self._port)

    def _take(self, count: int) -> bytes | None:
        if len(self._heard) < count:
            return None
        taken, self._heard = self._heard[:count], self._heard[count:]
        return taken

    def _method(self) -> bytes | None:
        if self._heard[:1] not in (b"", bytes([VERSION])):
            raise TunnelRefused(self._proxy, "what it says is not SOCKS5: is it a proxy of another kind?")
        if (taken := self._take(2)) is None:
            return None
        method = taken[1]
        if method == OPEN:
            return self._ask()
        if method == BY_PASSWORD and self._proxy.credential:
            self._step = self._login
            user, password = self._proxy.user.encode(), self._proxy.password.encode()
            return bytes([LOGIN_VERSION, len(user)]) + user + bytes([len(password)]) + password
        if method in (BY_PASSWORD, NOTHING_SUITS):
            raise TunnelRefused(self._proxy, authentication_problem(self._proxy))
        raise TunnelRefused(self._proxy, f"it wants a way to log in that was not offered ({method})")

    def _login(self) -> bytes | None:
        if (taken := self._take(2)) is None:
            return None
        if taken[1] != 0:  # too many servers send a wrong version before it to check that
            raise TunnelRefused(self._proxy, authentication_problem(self._proxy))
        return self._ask()

    def _ask(self) -> bytes:
        self._step = self._reply
        return bytes([VERSION, CONNECT, 0]) + self._address() + self._port.to_bytes(2)

    def _reply(self) -> bytes | None:
        if len(self._heard) < 2:
            return None
        if self._heard[0] != VERSION:
            raise TunnelRefused(self._proxy, "its reply is not SOCKS5")
        if code := self._heard[1]:  # some servers close without the rest of the reply
            said = REPLIES.get(code, f"it gave a reply that has no meaning ({code}) for {{}}")
            raise TunnelRefused(self._proxy, said.format(self._place))
        if len(self._heard) < 5:
            return None
        sizes = {IPV4: 4, IPV6: 16, NAME: 1 + self._heard[4]}
        if self._heard[3] not in sizes:
            raise TunnelRefused(self._proxy, "its reply is not SOCKS5")
        if self._take(4 + sizes[self._heard[3]] + 2) is not None:
            self.done = True
        return None

    def _address(self) -> bytes:
        try:
            address = ip_address(self._host)
        except ValueError:
            name = self._name()
            return bytes([NAME, len(name)]) + name
        return bytes([IPV4 if address.version == 4 else IPV6]) + address.packed

    def _name(self) -> bytes:
        name = self._host.encode()
        if not 0 < len(name) <= MAX_NAME:
            raise TunnelRefused(self._proxy, f"SOCKS5 cannot say a host's name of {len(name)} bytes")
        return name
