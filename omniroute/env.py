"""Settings of the process from environment variables: read once, validated, immutable."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_DATA_DIR = Path("~/.omniroute")
DEFAULT_PORT = 20128
DEFAULT_HOST = "127.0.0.1"
DEFAULT_WEB_PORT = 8081
MAX_PORT = 65535
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


class InvalidEnvironment(Exception):
    """An invalid environment variable; the message has its name and what is accepted."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Data directory, addresses and access rules of the process."""

    data_dir: Path
    port: int = DEFAULT_PORT
    """0 for any free port."""
    host: str = DEFAULT_HOST
    web_port: int = DEFAULT_WEB_PORT
    require_api_key: bool = False
    require_login: bool = True
    """Whether local clients need to log in to the management API and panel; remote ones always do."""
    secure_cookies: bool | None = None
    """Whether the session cookie is restricted to HTTPS; None decides by the base URL."""
    base_url: str = ""
    """The public URL of the gateway, if it is not reached by an IP address or as localhost."""

    @property
    def requires_key(self) -> bool:
        """Whether requests need a key: if configured, and always when listening on more than loopback."""
        return self.require_api_key or not is_loopback(self.host)


def read(environ: Mapping[str, str]) -> Environment:
    """Read the settings from environment variables; an empty one counts as unset.

    Shells and containers set HOSTNAME to the machine's name, which is not meant for the gateway: only an IP address or
    `localhost` is used, any other value is ignored. Raises InvalidEnvironment.
    """
    return Environment(
        data_dir=_directory(environ),
        port=_port(environ, "PORT", DEFAULT_PORT),
        host=_host(environ.get("HOSTNAME", "").strip()),
        web_port=_port(environ, "OMNIROUTE_WEB_PORT", DEFAULT_WEB_PORT),
        require_api_key=_switch(environ, "REQUIRE_API_KEY") or False,
        require_login=_switch(environ, "OMNIROUTE_REQUIRE_LOGIN") is not False,
        secure_cookies=_switch(environ, "AUTH_COOKIE_SECURE"),
        base_url=_base_url(environ.get("BASE_URL", "").strip()),
    )


def is_loopback(host: str) -> bool:
    """Return whether `host` is reachable from this machine only; any name but localhost may be remote."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _directory(environ: Mapping[str, str]) -> Path:
    text = environ.get("DATA_DIR") or str(DEFAULT_DATA_DIR)
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as exc:
        raise InvalidEnvironment(f"DATA_DIR is {text!r}, and that home directory is unknown: give a full path") from exc


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PORT)) and int(text) <= MAX_PORT):
        raise InvalidEnvironment(f"{name} is {text!r}: it takes a port from 0 to {MAX_PORT}")
    return int(text)


def _host(text: str) -> str:
    bare = text.removeprefix("[").removesuffix("]")
    if bare == "localhost":
        return bare
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return DEFAULT_HOST


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise InvalidEnvironment(f"BASE_URL is {text!r}: it takes a URL such as https://llm.example.org")
    return text.rstrip("/")


def _switch(environ: Mapping[str, str], name: str) -> bool | None:
    text = environ.get(name, "").strip().lower()
    if not text:
        return None
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise InvalidEnvironment(f"{name} is {environ[name]!r}: it takes true or false")
