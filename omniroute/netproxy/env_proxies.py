"""Which proxy the environment names for an upstream: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, and NO_PROXY against them.

Programs agree on most of it. Where they differ, this is as in curl: the name in small letters counts first and an
empty one says that there is none; a name in NO_PROXY stands for itself and all below it, with or without a dot or
`*.` before it. What is on this machine is reached directly whatever the environment says.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from omniroute.env import EnvironmentError_
from omniroute.netproxy.proxy_url import Proxy, read_proxy

type Address = IPv4Address | IPv6Address
type Rule = Callable[[str, int], bool]

_PORT = re.compile(r"(?P<host>.+):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class ProxyEnvironment:
    """What the environment of a process says about proxies."""

    https: Proxy | None = None
    http: Proxy | None = None
    """For upstreams that are not encrypted."""
    names: tuple[str, str] = ("", "")
    """The variables that name them, in the same order."""
    without: tuple[Rule, ...] = ()
    """What NO_PROXY exempts."""

    def proxy_for(self, scheme: str, host: str, port: int) -> tuple[Proxy, str] | None:
        """Give the proxy for an upstream and the variable that names it; None where it is reached directly."""
        proxy, name = (self.https, self.names[0]) if scheme == "https" else (self.http, self.names[1])
        if proxy is None or is_here(host) or any(rule(host, port) for rule in self.without):
            return None
        return proxy, name


def read_environment(environ: Mapping[str, str]) -> ProxyEnvironment:
    """Read the variables in both spellings. SettingsError names the one that is no proxy's URL."""
    https, https_name = _proxy(environ, "HTTPS_PROXY", "ALL_PROXY")
    http, http_name = _proxy(environ, "HTTP_PROXY", "ALL_PROXY")
    if https is None and http is None:
        return ProxyEnvironment()
    return ProxyEnvironment(https, http, (https_name, http_name), no_proxy(_said(environ, "NO_PROXY")[1]))


def no_proxy(text: str) -> tuple[Rule, ...]:
    """Read what NO_PROXY says: names, addresses and networks, each with a port if need be, or `*` for all."""
    return tuple(_rule(word.lower()) for word in re.split(r"[,\s]+", text) if word)


def is_here(host: str) -> bool:
    """Tell whether a host is this machine by its name or address."""
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
                raise EnvironmentError_(f"{spelled} cannot be used: {error}") from error
        if spelled:
            return None, ""  # said to be none: the next name is not asked
    return None, ""


def _said(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Give the spelling that counts, and what it says; no spelling where nothing is said."""
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
            return lambda host: False  # no network, and no host has a slash in its name
        return lambda host: (address := _address(host)) is not None and address in network
    name = _plain(bare.removeprefix("*").removeprefix("."))
    return lambda host: bool(name) and (host == name or host.endswith(f".{name}"))


def _plain(host: str) -> str:
    return host.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _address(host: str) -> Address | None:
    """Read an address; an IPv4 one that is written as IPv6 is the same place."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
