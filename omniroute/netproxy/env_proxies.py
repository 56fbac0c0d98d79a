"""Proxy settings from the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, with exemptions by NO_PROXY.

Programs agree on most of it. Where they differ, this follows curl: the lower-case variable takes precedence, and an
empty one disables the proxy; a name in NO_PROXY stands for itself and all its subdomains, with or without a leading
dot or `*.`. Hosts on this machine are always reached directly.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from omniroute.env import InvalidEnvironment
from omniroute.netproxy.proxy_url import Proxy, read_proxy

type Address = IPv4Address | IPv6Address
type Rule = Callable[[str, int], bool]

_PORT = re.compile(r"(?P<host>.+):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class ProxyEnvironment:
    """The proxy settings in the environment of a process."""

    https: Proxy | None = None
    http: Proxy | None = None
    """For plain HTTP upstreams."""
    names: tuple[str, str] = ("", "")
    """The variables that they come from, in the same order."""
    without: tuple[Rule, ...] = ()
    """The exemptions of NO_PROXY."""

    def proxy_for(self, scheme: str, host: str, port: int) -> tuple[Proxy, str] | None:
        """Return the proxy for an upstream and the variable that it comes from; None for a direct connection."""
        proxy, name = (self.https, self.names[0]) if scheme == "https" else (self.http, self.names[1])
        if proxy is None or is_here(host) or any(rule(host, port) for rule in self.without):
            return None
        return proxy, name


def read_environment(environ: Mapping[str, str]) -> ProxyEnvironment:
    """Read the proxy variables in both spellings. Raises InvalidEnvironment for a value that is no proxy URL."""
    https, https_name = _proxy(environ, "HTTPS_PROXY", "ALL_PROXY")
    http, http_name = _proxy(environ, "HTTP_PROXY", "ALL_PROXY")
    if https is None and http is None:
        return ProxyEnvironment()
    return ProxyEnvironment(https, http, (https_name, http_name), no_proxy(_said(environ, "NO_PROXY")[1]))


def no_proxy(text: str) -> tuple[Rule, ...]:
    """Parse NO_PROXY: names, addresses and networks, each with an optional port, or `*` for all."""
    return tuple(_rule(word.lower()) for word in re.split(r"[,\s]+", text) if word)


def is_here(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    host = _plain(host)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _proxy(environ: Mapping[str, str], *names: str) -> tuple[Proxy | None, str]:
    for name in names:
        spelled, text = _said(environ, name)
        if text:
            try:
                return read_proxy(text, scheme="http"), spelled
            except ValueError as error:
                raise InvalidEnvironment(f"{spelled} cannot be used: {error}") from error
        if spelled:
            return None, ""  # explicitly none: do not try the next variable
    return None, ""


def _said(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the spelling of a variable that takes precedence, and its value; empty strings if it is not set."""
    if name.lower() in environ:
        return name.lower(), environ[name.lower()].strip()
    text = environ.get(name, "").strip()
    return (name, text) if text else ("", "")


def _rule(word: str) -> Rule:
    if word == "*":
        return lambda host, port: True
    only: int | None = None
    if (found := _PORT.fullmatch(word)) and (":" not in found["host"] or found["host"].endswith("]")):
        word, only = found["host"], int(found["port"])
    matches = _matcher(word)
    return lambda host, port: only in (None, port) and matches(_plain(host))


def _matcher(word: str) -> Callable[[str], bool]:
    bare = word.removeprefix("[").removesuffix("]")
    if (named := _address(bare)) is not None:
        return lambda host: _address(host) == named
    if "/" in bare:
        try:
            network = ip_network(bare, strict=False)
        except ValueError:
            return lambda host: False  # not a network, and host names contain no slash
        return lambda host: (address := _address(host)) is not None and address in network
    name = _plain(bare.removeprefix("*").removeprefix("."))
    return lambda host: bool(name) and (host == name or host.endswith(f".{name}"))


def _plain(host: str) -> str:
    return host.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _address(host: str) -> Address | None:
    """Parse an address, an IPv4-mapped IPv6 one as IPv4; None for any other text."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
