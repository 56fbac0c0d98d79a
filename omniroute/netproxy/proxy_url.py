"""A network proxy, parsed from the URL in a setting or the environment."""

import re
from base64 import b64encode
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv6Address
from typing import Literal, get_args
from urllib.parse import quote, unquote_to_bytes, urlsplit

type Scheme = Literal["http", "https", "socks5", "socks5h"]

SCHEMES: tuple[Scheme, ...] = get_args(Scheme.__value__)
PORTS: dict[Scheme, int] = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
DIRECT = "direct"
"""Value in place of a URL for a direct connection."""
TAKEN = "it takes http://, https://, socks5:// or socks5h://, with USER:PASSWORD@ where the proxy wants them"
MAX_CREDENTIAL = 255
"""Maximum bytes of a user and of a password, which is that of SOCKS5 (RFC 1929)."""

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_PLAIN = re.compile(r"[!-~]+")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Proxy:
    """Scheme, address and credentials of a proxy. `str()` omits the credentials."""

    scheme: Scheme
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    locked: bool = False
    """Whether it has a user and a password, which may be stored elsewhere."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def masked(self) -> str:
        """Its URL for display, with user and password masked."""
        scheme, _, rest = str(self).partition("://")
        return f"{scheme}://••••:••••@{rest}" if self.locked else f"{scheme}://{rest}"

    @property
    def credential(self) -> str:
        """User and password, percent-encoded as in a URL; empty if it has none."""
        return f"{quote(self.user, safe='')}:{quote(self.password, safe='')}" if self.user or self.password else ""

    @property
    def authorization(self) -> str | None:
        """The value of `Proxy-Authorization` for an HTTP proxy (RFC 7617); None without credentials."""
        if not self.credential:
            return None
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its secrets in all forms in which they are sent, for redaction."""
        basic = (self.authorization or "").removeprefix("Basic ")
        return tuple(filter(None, (self.user, self.password, self.credential, basic)))

    @property
    def tunnels_all(self) -> bool:
        """Whether even plain HTTP is tunneled, as by SOCKS; an HTTP proxy gets plain requests to forward."""
        return self.scheme in ("socks5", "socks5h")

    def locked_with(self, credential: str) -> "Proxy":
        """Return it with the user and password of a percent-encoded credential."""
        user, _, password = credential.partition(":")
        return replace(self, user=_decoded(user), password=_decoded(password), locked=bool(credential))

    def bare(self) -> "Proxy":
        """Return it without its credentials."""
        return replace(self, user="", password="")


def read_proxy(text: str, *, scheme: Scheme | None = None) -> Proxy:
    """Parse a proxy URL; `scheme` is the default for one without a scheme.

    Raises ValueError with a readable reason, which contains neither user nor password.
    """
    if not text:
        raise ValueError(f"the proxy's URL is empty: {TAKEN}")
    if not _PLAIN.fullmatch(text):
        raise ValueError(
            "the proxy's URL has spaces or characters that are not plain ASCII in it: percent-encode those of "
            "a user or a password, as in %20"
        )
    if "://" not in text and scheme:
        text = f"{scheme}://{text}"
    named, separator, rest = text.partition("://")
    known = next((each for each in SCHEMES if each == named.lower()), None)
    if not separator or known is None:
        said = f"has the scheme {named!r}" if separator and "@" not in named else "has no scheme"
        raise ValueError(f"the proxy's URL {said}: {TAKEN}")
    login, at, place = rest.rpartition("@")
    if re.search(r"[/?#]", login):
        raise ValueError("the proxy's user or password has a '/', '?' or '#' in it: write %2F, %3F or %23")
    made = _place(known, place)
    return _locked(made, login) if at else made


def _locked(made: Proxy, login: str) -> Proxy:
    if _BROKEN_ESCAPE.search(login):
        raise ValueError("the proxy's user or password has a '%' in it that is none of %00 to %FF: write %25")
    user, _, password = login.partition(":")
    if re.search(r"[:@]", password) or "@" in user:
        raise ValueError("the proxy's user or password has a ':' or '@' in it: write %3A or %40")
    try:
        proxy = made.locked_with(login)
    except ValueError as error:
        raise ValueError("the proxy's user or password is not UTF-8 once it is decoded") from error
    if not proxy.user:
        raise ValueError("the proxy's URL has an '@' but no user before it")
    for what, said in (("user", proxy.user), ("password", proxy.password)):
        if len(said.encode()) > MAX_CREDENTIAL:
            raise ValueError(f"the proxy's {what} is longer than {MAX_CREDENTIAL} bytes")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in said):
            raise ValueError(f"the proxy's {what} holds a control character")
    if ":" in proxy.user and not proxy.tunnels_all:
        raise ValueError("the proxy's user holds a ':', which HTTP proxies take for the end of it")
    return proxy


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode()


def _place(scheme: Scheme, place: str) -> Proxy:
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        # The text is not repeated: without an '@' it may be a user and a password.
        raise ValueError("the proxy's host and port cannot be read: a port is 1 to 65535") from error
    if parts.path not in ("", "/") or parts.query or parts.fragment or place.endswith(("?", "#")):
        raise ValueError("the proxy's URL goes on after the port: it takes no path and no query")
    if not host:
        raise ValueError(f"the proxy's URL names no host: {TAKEN}")
    if not _is_host(host):
        raise ValueError(f"the proxy's host {host!r} is neither a name nor an address")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("the proxy's port is none: a port is 1 to 65535")
    return Proxy(scheme, host, port or PORTS[scheme])


def _is_host(host: str) -> bool:
    if ":" not in host:
        return len(host) <= 253 and bool(_HOST.fullmatch(host))
    try:
        IPv6Address(host)
    except AddressValueError:
        return False
    return True
