"""Who is asking, and whether a browser was tricked into asking.

A token or a key is never sent by a browser by itself; a session, and being on this machine, is. So whoever comes with
one of these must have meant it: the page that asks has to be ours (Origin, Sec-Fetch-Site), and the name under which
it was loaded too, or any page could point a name of its own at this machine (DNS rebinding).
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
"""Passwords that are looked at together: each takes 19 MB and a core for a while."""
PROBES_AT_ONCE = 3
"""Providers and proxies that are tried together: each holds a thread until it has answered."""
SENDS_AT_ONCE = 8
"""Requests of the chat tester: each keeps bodies in memory."""
OURS = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `here` is this machine's own user where no log-in is needed; `token` has shown one, or a key."""

    client: ClientAddress
    kind: Who = "nobody"

    @property
    def authenticated(self) -> bool:
        return self.kind != "nobody"

    @property
    def in_browser(self) -> bool:
        """Whether a browser may have asked without its user's knowing."""
        return self.kind != "token"


class AdminAuth:
    """Looks at heads only; what it asks of the disk, it asks in a thread of whoever calls it."""

    def __init__(self, runtime: Runtime, settings: Environment, secret: str) -> None:
        self.runtime = runtime
        self.settings = settings
        self._secret = secret
        self.looks = asyncio.Semaphore(AT_ONCE)
        self.probes = asyncio.Semaphore(PROBES_AT_ONCE)
        self.sends = asyncio.Semaphore(SENDS_AT_ONCE)
        self.under_way: WeakSet[asyncio.Task[object]] = WeakSet()
        """Requests that are being answered."""
        self.telling: WeakSet[asyncio.Task[None]] = WeakSet()
        """Answers that come bit by bit, and would go on for long."""
        self.bench = Bench(runtime)

    def peer(self, passed: str | None, direct: str) -> str:
        """Give the address of who asks: the proxy port's word for it, where that is really what speaks."""
        secret, _, peer = (passed or "").partition(" ")
        known = hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), self._secret.encode())
        return peer if known and peer else direct

    def check_address(self, headers: HTTPHeaders, peer: str) -> Principal:
        """Say where a request comes from; Forbidden for who is kept out, as in inference."""
        fields = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.get_all()
        ]
        return Principal(check(peer, fields, self.runtime.config.doors, self.runtime.wall()))

    def authenticate(
        self, store: Store, headers: HTTPHeaders, comer: ClientAddress, cookie: str, in_mitmweb: bool
    ) -> Principal:
        """Tell who asks. Who shows a token that is not ours is nobody, whatever else is shown."""
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
        """Look at a key that is for administering; says what is wrong with any other, and counts unknown ones."""
        runtime = self.runtime
        assert runtime.store
        runtime.gate.key([shown], comer, runtime.config, runtime.store.digest, "admin")
        return Principal(comer, "token")

    async def knows_password(self, store: Store, comer: ClientAddress, shown: str, browser: str = "") -> bool:
        """Check a password, or the admin token in its place. RateLimited after too many wrong ones.

        Wrong passwords count for the address, or for the browser where its cookie shows that it has logged in before:
        others behind the same proxy cannot lock it out then. The token cannot be guessed, so no lock holds for it.
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
        """Refuse what a page that is not ours has made a browser ask."""
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
        """Whether the session is for HTTPS alone."""
        said = self.settings.secure_cookies
        return self.settings.base_url.startswith("https:") if said is None else said


def bearer(headers: Mapping[str, str]) -> str:
    """Read the token that somebody shows; empty for none."""
    scheme, _, shown = headers.get("Authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""
