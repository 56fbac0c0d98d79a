"""How a credential is shown to a provider: one function, so that traffic and side calls cannot differ."""

from typing import assert_never

from omniroute.catalog.provider import Provider


def credential_headers(provider: Provider, api_key: str | None) -> dict[str, str]:
    """Give the headers that open `provider`; none where there is no key or the provider takes none."""
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
