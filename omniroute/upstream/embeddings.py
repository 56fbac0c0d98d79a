"""Has a model say where a text stands among all texts: a vector, which is near that of a text that means the same."""

from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from omniroute.catalog.endpoints import credential_headers, embedding_url
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.token_usage import count, details
from omniroute.redaction import redact
from omniroute.routing.target import Target
from omniroute.upstream.client import fetch

MOST_BYTES = 1024 * 1024
MOST_NUMBERS = 16_384
LARGEST = 1e6
"""Of one number: vectors are of length 1, or near it."""


class EmbeddingFailed(Exception):
    """A text was not embedded, for a reason that holds no secret; `ours` where another text may well be."""

    def __init__(self, message: str, *, ours: bool = False) -> None:
        super().__init__(message)
        self.ours = ours


@dataclass(frozen=True, slots=True)
class Embedding:
    numbers: list[float]
    tokens: int | None
    """As the provider counted them, if it did."""


async def embed(client: httpx.AsyncClient, target: Target, api_key: str | None, text: str) -> Embedding:
    """Embed a text at a target, within the client's timeout. NotEmbedded says why it could not be."""
    url = embedding_url(target.provider, target.dialect, base_url=target.account.base_url, model=target.model)
    if url is None:
        raise EmbeddingFailed(f"{target.name} is asked in a way in which nothing is embedded")
    headers = {name.lower(): value for name, value in target.provider.headers.items()}
    headers |= credential_headers(target.provider, api_key) | {"content-type": "application/json"}
    if target.dialect == "gemini":
        body: dict[str, Any] = {"content": {"parts": [{"text": text}]}}
    else:
        body = {"model": target.model, "input": text}
    secrets = [api_key] if api_key else []
    try:
        status, answer = await fetch(client, "POST", url, headers, orjson.dumps(body), most=MOST_BYTES)
    except OSError as error:
        raise EmbeddingFailed(redact(str(error), secrets)) from error
    if status != 200:
        said = DIALECTS[target.dialect].read_error(status, answer).message
        raise EmbeddingFailed(redact(f"status {status}: {said[:200]}", secrets), ours=status in (400, 413, 422))
    try:
        return _read(orjson.loads(answer))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise EmbeddingFailed(f"{target.name} answers, but not with an embedding") from error


def _read(answer: Any) -> Embedding:
    """Read OpenAI's shape, or Gemini's."""
    numbers = answer["embedding"]["values"] if "embedding" in answer else answer["data"][0]["embedding"]
    tokens = details(answer.get("usage")).get("prompt_tokens")
    if not isinstance(numbers, list) or not 0 < len(numbers) <= MOST_NUMBERS:
        raise ValueError("no vector")
    if not all(type(number) in (int, float) and abs(number) <= LARGEST for number in numbers):
        raise ValueError("no numbers")
    return Embedding(numbers, count(tokens))
