"""A network proxy, read from the URL that a person or the environment gives."""

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
"""Said in the place of a URL: no proxy."""
TAKEN = "it takes http://, https://, socks5:// or socks5h://, with USER:PASSWORD@ where the proxy wants them"
MAX_CREDENTIAL = 255
"""Bytes of a user and of a password: SOCKS5 counts them in one byte (RFC 1929)."""

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_PLAIN = re.compile(r"[!-~]+")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it is, how it is spoken to, and what opens it; its text is without that."""

    scheme: Scheme
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    locked: bool = False
    """It is opened by a user and a password, which may be kept elsewhere."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def masked(self) -> str:
        """Its URL for people: that there are a user and a password shows, and nothing of them."""
        scheme, _, rest = str(self).partition("://")
        return f"{scheme}://••••:••••@{rest}" if self.locked else f"{scheme}://{rest}"

    @property
    def credential(self) -> str:
        """User and password as they stand in a URL; empty without."""
        return f"{quote(self.user, safe='')}:{quote(self.password, safe='')}" if self.user or self.password else ""

    @property
    def authorization(self) -> str | None:
        """What `Proxy-Authorization` says to an HTTP proxy (RFC 7617)."""
        if not self.credential:
            return None
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may read, in the forms in which it travels."""
        basic = (self.authorization or "").removeprefix("Basic ")
        return tuple(filter(None, (self.user, self.password, self.credential, basic)))

    @property
    def tunnels_all(self) -> bool:
        """SOCKS carries anything; an HTTP proxy may want to read requests that are not encrypted."""
        return self.scheme in ("socks5", "socks5h")

    def locked_with(self, credential: str) -> "Proxy":
        """Give it with the user and the password that `credential` made of them."""
        user, _, password = credential.partition(":")
        return replace(self, user=_decoded(user), password=_decoded(password), locked=bool(credential))

    def bare(self) -> "Proxy":
        """Give it without what opens it."""
        return replace(self, user="", password="")


def read_proxy(text: str, *, scheme: Scheme | None = None) -> Proxy:
    """Read a proxy's URL; one without a scheme is taken for `scheme`, where that is given.

    ValueError with a sentence for a person, which repeats neither user nor password.
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
        # What stands there is not repeated: without an '@' it may be a user and a password.
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
