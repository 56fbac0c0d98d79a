"""The JSON form of network proxies. Credentials are accepted in requests and never returned."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BeforeValidator, Field

from omniroute.config.model import Place
from omniroute.errors import BadRequest
from omniroute.netproxy.proxy_url import DIRECT, Proxy, read_proxy
from omniroute.panel.routes import Body


def _number(value: Any) -> Any:
    """Convert a port written as a string of digits to an int; return other values unchanged."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


class ProxyFields(Body):
    """A network proxy, or `direct` for a connection without one."""

    type: Literal["http", "https", "socks5", "socks5h", "direct"]
    host: str | None = None
    port: Annotated[Annotated[int, Field(ge=1, le=65535)] | None, BeforeValidator(_number)] = None
    username: str | None = Field(None, description="Left out, what opened the same proxy until now still does.")
    password: str | None = None
    locked: bool = Field(False, description="In answers: it is opened by a user and a password, which are not shown.")


def shown(proxy: Proxy | None) -> ProxyFields:
    """Convert a proxy to its JSON form without credentials; None is a direct connection."""
    if proxy is None:
        return ProxyFields.model_validate({"type": DIRECT})
    said = {"type": proxy.scheme, "host": proxy.host, "port": proxy.port, "locked": proxy.locked}
    return ProxyFields.model_validate(said)


def at_place(set_: Mapping[Place, Proxy | None], place: Place) -> ProxyFields | None:
    return shown(set_[place]) if place in set_ else None


def read(said: ProxyFields, field: str) -> Proxy:
    """Convert the JSON form to a Proxy, with the checks and errors of a proxy URL.

    Raises BadRequest naming `field` or one of its parts.
    """
    for name in ("host", "port"):
        if getattr(said, name) is None:
            raise BadRequest(f"a proxy of the type {said.type} needs a {name}", param=f"{field}.{name}")
    if set(str(said.host)) & set("@/?#"):
        raise BadRequest("a host is a name or an address alone", param=f"{field}.host")
    host = f"[{said.host}]" if ":" in str(said.host) else said.host
    login = f"{quote(said.username, safe='')}:{quote(said.password or '', safe='')}@" if said.username else ""
    try:
        return read_proxy(f"{said.type}://{login}{host}:{said.port}")
    except ValueError as error:
        raise BadRequest(str(error), param=field) from error


def url(proxy: Proxy) -> str:
    """Return the URL of a proxy including its credentials."""
    scheme, _, rest = str(proxy).partition("://")
    return f"{scheme}://{proxy.credential}@{rest}" if proxy.credential else str(proxy)
