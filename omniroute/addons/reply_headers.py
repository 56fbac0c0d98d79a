"""The response headers of upstreams that clients receive: an allow list, and the values that are safe to pass.

Anything else stays behind: cookies, CORS and other instructions to browsers, redirects, challenges, alternative
services, hop-by-hop fields, and whatever an upstream's `Connection` field names. `content-type`, `content-length` and
`cache-control` are written by the gateway itself.
"""

import re
from collections.abc import Iterable

type Fields = tuple[tuple[bytes, bytes], ...]

PASSED = frozenset(
    name.encode()
    for name in (
        # RFC 9110; `retry-after-ms` and `x-should-retry` are read by the SDKs of OpenAI and Anthropic
        "content-language", "retry-after", "retry-after-ms", "x-should-retry",
        # Server-Timing, as Google sends it
        "server-timing",
        # Request ids: OpenAI and most others, Anthropic, Azure, AWS, Google, Mistral, DeepSeek, OpenRouter, GitHub
        "x-request-id", "request-id", "x-correlation-id", "x-trace-id", "apim-request-id", "x-ms-request-id",
        "x-client-request-id", "x-amzn-requestid", "x-goog-request-id", "mistral-correlation-id", "x-ds-trace-id",
        "x-generation-id", "x-github-request-id", "cf-ray",
        # https://platform.openai.com/docs/api-reference/debugging-requests
        "openai-organization", "openai-processing-ms", "openai-project", "openai-version", "openai-model",
        # https://docs.anthropic.com/en/api/errors and the Anthropic SDKs
        "anthropic-organization-id", "anthropic-workspace-id",
        # Codex reads these at ChatGPT's backend
        "x-models-etag", "x-reasoning-included",
        # Azure, Groq, Fireworks, Cohere
        "x-ms-region", "x-groq-region", "fireworks-server-processing-time", "x-api-warning",
    )
)  # fmt: skip
"""Names, in lower case."""

PREFIXES = (
    b"x-ratelimit-",  # OpenAI, Groq, Mistral, Together, Fireworks, OpenRouter and many others
    b"ratelimit",  # draft-ietf-httpapi-ratelimit-headers: `ratelimit`, `ratelimit-policy`, `ratelimit-remaining`
    b"anthropic-ratelimit-",
    b"x-quota-snapshot-",  # GitHub Copilot
    b"x-codex-",  # the limits of ChatGPT's subscriptions, and the state of a turn
)
"""How families of names begin."""

MAX_VALUE = 8192
"""Bytes of one value."""
UNSAFE = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
"""Control characters in a value."""

UNSAFE_TEXT = re.compile("[^\x20-\x7e]")
MAX_TEXT = 1024
"""Characters of a value that the gateway makes of names."""

JSON = "application/json"
EVENTS = "text/event-stream"


def passed_back(fields: Fields, *, without: Iterable[bytes], secrets: list[bytes]) -> Fields:
    """Choose the fields that a client receives, but for the names in `without` and for values that hold a secret."""
    hop = {
        token.strip().lower() for name, value in fields if name.lower() == b"connection" for token in value.split(b",")
    } | {*without}
    return tuple(
        (name, value)
        for name, value in fields
        if ((low := name.lower()) in PASSED or low.startswith(PREFIXES))
        and low not in hop
        and len(value) <= MAX_VALUE
        and not UNSAFE.search(value)
        and not any(secret in value for secret in secrets)
    )


def stream_type(given: str, *, as_array: bool) -> str:
    """Choose the content type of a stream that passes as it is: the upstream's, where it is one that streams have."""
    kind = given.partition(";")[0].strip().lower()
    if kind not in (JSON, EVENTS):
        kind = JSON if as_array else EVENTS
    return f"{kind}; charset=utf-8"


def safe_value(text: str) -> str:
    """Make a text fit for a header: what is not printable ASCII becomes percent-encoded UTF-8, and it is cut."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "..."
    if text.isascii() and text.isprintable():
        return text
    return UNSAFE_TEXT.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace")), text)
