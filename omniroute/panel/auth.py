"""Authentication of management requests, and protection against cross-site requests.

A browser never sends a token or a key by itself, but it sends the session cookie, and requests from this machine, on
behalf of any page. Requests authenticated in these ways must therefore come from the panel's own origin (Origin,
Sec-Fetch-Site) and under a host name of the gateway: otherwise any page could point a name of its own at this machine
(DNS rebinding).
"""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit
from weakref import WeakSet

from tornado.httputil import HTTPHeaders

from omniroute.access.client_address import ClientAddress, is_loopback
from omniroute.access.ip_filter import check
from omniroute.bench.runner import Bench
from omniroute.env import Environment
from omniroute.errors import Forbidden
from omniroute.gateway.runtime import Runtime
from omniroute.store.db.database import Store
from omniroute.store.state import password, sessions

type Who = Literal["nobody", "here", "session", "mitmweb", "token"]

AT_ONCE = 2
"""Passwords checked at the same time: each check takes 19 MB and a CPU core for a while."""
PROBES_AT_ONCE = 3
"""Probes of providers and proxies run at the same time: each holds a thread until the response is there."""
SENDS_AT_ONCE = 8
"""Requests of the chat tester run at the same time: each keeps bodies in memory."""
OURS = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Principal:
    """The origin of a management request: its client address and how it was authenticated.

    `here` is a loopback client where no log-in is required; `token` is the admin token or a key with the admin scope.
    """

    client: ClientAddress
    kind: Who = "nobody"

    @property
    def authenticated(self) -> bool:
        return self.kind != "nobody"

    @property
    def in_browser(self) -> bool:
        """Whether a browser may have sent the request without its user's intent."""
        return self.kind != "token"


class AdminAuth:
    """Authenticator of management requests, from their headers alone.

    Methods that take a `store` and are not coroutines read the database, so they must run in a thread.
    """

    def __init__(self, runtime: Runtime, settings: Environment, secret: str) -> None:
        self.runtime = runtime
        self.settings = settings
        self._secret = secret
        self.looks = asyncio.Semaphore(AT_ONCE)
        self.probes = asyncio.Semaphore(PROBES_AT_ONCE)
        self.sends = asyncio.Semaphore(SENDS_AT_ONCE)
        self.under_way: WeakSet[asyncio.Task[object]] = WeakSet()
        """Tasks of requests in progress."""
        self.telling: WeakSet[asyncio.Task[None]] = WeakSet()
        """Tasks of streamed responses, which may run for long; cancelled when the server stops."""
        self.bench = Bench(runtime)

    def peer(self, passed: str | None, direct: str) -> str:
        """Return the client's address: from the relay's header if its secret is right, else that of the connection."""
        secret, _, peer = (passed or "").partition(" ")
        known = hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), self._secret.encode())
        return peer if known and peer else direct

    def check_address(self, headers: HTTPHeaders, peer: str) -> Principal:
        """Return an unauthenticated principal for the client's address. Raises Forbidden if the IP filter blocks it."""
        fields = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.get_all()
        ]
        return Principal(check(peer, fields, self.runtime.config.doors, self.runtime.wall()))

    def authenticate(
        self, store: Store, headers: HTTPHeaders, comer: ClientAddress, cookie: str, in_mitmweb: bool
    ) -> Principal:
        """Authenticate by token, session cookie, mitmweb log-in or loopback address, in this order.

        A request with a wrong bearer token is unauthenticated, whatever else it carries.
        """
        if shown := bearer(headers):
            return Principal(comer, "token" if sessions.is_token(store, shown) else "nobody")
        if cookie and sessions.is_live(store, cookie):
            return Principal(comer, "session")
        if in_mitmweb:
            return Principal(comer, "mitmweb")
        if not self.settings.require_login and is_loopback(comer.address) and not comer.proxied:
            return Principal(comer, "here")
        return Principal(comer)

    def authenticate_key(self, shown: str, comer: ClientAddress) -> Principal:
        """Authenticate by an API key with the admin scope.

        Raises the error of the key check for any other key; unknown keys count as failed attempts of the client.
        """
        runtime = self.runtime
        assert runtime.store
        runtime.gate.key([shown], comer, runtime.config, runtime.store.digest, "admin")
        return Principal(comer, "token")

    async def knows_password(self, store: Store, comer: ClientAddress, shown: str, browser: str = "") -> bool:
        """Check a password, or the admin token in its place. Raises RateLimited after too many wrong ones.

        Wrong passwords count against the client address, or against the browser if its cookie shows an earlier log-in:
        other clients behind the same proxy then cannot lock it out. The token cannot be guessed, so no lockout applies.
        """
        if shown.startswith(sessions.TOKEN_MARK) and await asyncio.to_thread(sessions.is_token, store, shown):
            return True
        gate, source = self.runtime.gate, sessions.known_browser(store, browser) or comer.address
        gate.begin_login(source, self.runtime.config)
        async with self.looks:
            right = await asyncio.to_thread(password.matches, store, shown)
        if right:
            gate.logged_in(source)
        return right

    def check_page(self, headers: Mapping[str, str]) -> None:
        """Raise Forbidden for a request that a page of another origin has made a browser send."""
        host = headers.get("Host", "")
        if not self._is_ours(host):
            raise Forbidden(
                f"no management under the name {host[:200]!r}: use an IP address or localhost, or set BASE_URL"
            )
        if headers.get("Sec-Fetch-Site", "none") not in OURS:
            raise Forbidden("a page of another origin may not manage this gateway")
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Forbidden("a page of another origin may not manage this gateway")

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name == "localhost" or name.endswith(".localhost") or (name and name == self._base_name()):
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    def _base_name(self) -> str:
        return urlsplit(self.settings.base_url).hostname or ""

    @property
    def secure(self) -> bool:
        """Whether session cookies get the Secure attribute: as set, else if BASE_URL is HTTPS."""
        said = self.settings.secure_cookies
        return self.settings.base_url.startswith("https:") if said is None else said


def bearer(headers: Mapping[str, str]) -> str:
    """Read the token of an `Authorization: Bearer` header; empty if there is none."""
    scheme, _, shown = headers.get("Authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""
