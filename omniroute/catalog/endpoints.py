"""URLs of provider endpoints, also for an account with its own base URL.

Users paste base URLs in every form that documentation has: a bare host, a host with the version, the whole endpoint.
All of these must result in the same URL.
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import assert_never
from urllib.parse import quote, urlsplit

from omniroute.catalog.provider import DialectName, Provider

EMBEDS = {
    "openai": ("/chat/completions", "/embeddings"),
    "responses": ("/responses", "/embeddings"),
    "gemini": (":generateContent", ":embedContent"),
}
"""Dialect -> the path suffix of its chat endpoint, and that of the embeddings endpoint next to it."""
_VERSION = re.compile(r"v\d+\w*")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_PLAIN = re.compile(r"[!-~]+")


def endpoint(provider: Provider, dialect: DialectName, *, base_url: str | None, model: str, stream: bool) -> str:
    """Return the URL for a request in `dialect`. Raises KeyError when the provider does not support it.

    `base_url` is the account's own; it and a node's have passed `check_base_url`.
    """
    verb = "streamGenerateContent" if stream else "generateContent"
    path = provider.paths[dialect].replace("{verb}", verb).replace("{model}", quote(model, safe=""))
    chosen = base_url or (provider.base_url if provider.node else None)
    if chosen is None:
        url = path if "://" in path else provider.base_url + path
    else:
        url = _under(chosen, provider, dialect, path)
    return f"{url}?alt=sse" if dialect == "gemini" and stream else url


def embedding_url(provider: Provider, dialect: DialectName, *, base_url: str | None, model: str) -> str | None:
    """Return the URL of the embeddings endpoint; None where the provider has none."""
    url = endpoint(provider, dialect, base_url=base_url, model=model, stream=False)
    answers, embeds = EMBEDS.get(dialect, ("", ""))
    return url.removesuffix(answers) + embeds if answers and url.endswith(answers) else None


def _under(chosen: str, provider: Provider, dialect: DialectName, path: str) -> str:
    elsewhere = "://" in path
    path = urlsplit(path).path if elsewhere else path
    if urlsplit(chosen).path.endswith(path):
        return chosen
    for other in provider.paths.values():  # the whole endpoint of another dialect
        chosen = chosen.removesuffix(urlsplit(other).path)
    base, parts = chosen.rstrip("/"), urlsplit(chosen)
    if elsewhere or not parts.path.strip("/"):
        # The paths of this host are unknown: assume those of the provider.
        return f"{parts.scheme}://{parts.netloc}{'' if elsewhere else _base_path(provider, dialect)}{path}"
    if dialect == "claude" and not _VERSION.fullmatch(base.rpartition("/")[2]):
        base += "/v1"  # base URLs of Anthropic's SDKs omit it
    return base + path


def _base_path(provider: Provider, dialect: DialectName) -> str:
    if provider.node:
        return "/v1beta" if dialect == "gemini" else "/v1"
    return urlsplit(provider.base_url).path


def check_base_url(text: str) -> str:
    """Validate a base URL and return it without trailing slashes. Raises ValueError with a readable reason."""
    if not _PLAIN.fullmatch(text) or "\\" in text:
        raise ValueError("the base URL must be plain ASCII without spaces")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"the base URL {text!r} cannot be read: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"the base URL {text!r} must begin with http:// or https://")
    if "@" in parts.netloc:
        # The URL is not repeated in the message, as it may contain a password.
        raise ValueError("the base URL must not hold a user or password; the key belongs to the account")
    if not _is_host(parts.hostname or "") or port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"the base URL {text!r} has no usable host and port")
    if "?" in text or "#" in text:
        raise ValueError(f"the base URL {text!r} must end before any '?' or '#'")
    return text.rstrip("/")


def _is_host(host: str) -> bool:
    if ":" not in host:
        return bool(_HOST.fullmatch(host))
    try:
        IPv6Address(host)
    except AddressValueError:
        return False
    return True


def credential_headers(provider: Provider, api_key: str | None) -> dict[str, str]:
    """Return the authentication headers for `provider`; none where there is no key or the provider takes none."""
    if not api_key:
        return {}
    match provider.auth:
        case "bearer":
            return {"authorization": f"Bearer {api_key}"}
        case "x-api-key" | "x-goog-api-key":
            return {provider.auth: api_key}
        case "none":
            return {}
        case _:
            assert_never(provider.auth)
