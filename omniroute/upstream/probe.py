"""Does an account work: read its provider's list of models, or ask one tiny question."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, assert_never

import httpx
import orjson

from omniroute.catalog.endpoints import credential_headers, endpoint
from omniroute.catalog.provider import DialectName, Provider
from omniroute.config.model import Account
from omniroute.dialects.registry import DIALECTS
from omniroute.netproxy.proxy_url import Proxy
from omniroute.redaction import redact
from omniroute.upstream.client import fetch, provider_client

QUESTION = "Reply with the word OK."
MAX_TOKENS = 16
TAILS = {"openai": "/chat/completions", "responses": "/responses", "claude": "/messages"}
"""What ends a dialect's URL: the list of models stands beside it."""

DIALECT_HEADERS = {"claude": {"anthropic-version": "2023-06-01"}}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found; `detail` is one sentence without a secret in it."""

    ok: bool
    status: int | None
    latency_ms: float
    detail: str
    models: int | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """One account at its provider, about to be asked."""

    account: Account
    provider: Provider
    api_key: str | None
    timeout: float
    transport: httpx.AsyncBaseTransport | None = None
    proxy: Proxy | None = None
    """The network proxy on the way, with what opens it."""
    clock: Callable[[], float] = time.perf_counter

    async def test(self, model: str | None = None) -> ProbeResult:
        """Read the list of models, which costs nothing; ask `model` when it is given or there is no list."""
        dialect = main_dialect(self.provider)
        if model is not None:
            return await self.ask(dialect, model)
        if (url := self._models_url(dialect)) is None:
            return await self._ask_known(dialect, "there is no list of models")
        result, body = await self._call("GET", url, self._headers(dialect))
        if result.status in {404, 405}:
            return await self._ask_known(dialect, f"there is no list of models at {url}")
        if not result.ok:
            return replace(result, detail=self._say_error(dialect, result.status, body) or result.detail)
        if (count := await asyncio.to_thread(count_models, body)) is None:
            return replace(result, ok=False, detail=f"{url} answers, but not with a list of models: is the URL right?")
        detail = f"{count} models" if count != 1 else "1 model"
        if self.api_key and await self._is_public(url, dialect):
            detail += "; the list is open to all, so the key is not proven: ask a model"
        return replace(result, detail=detail, models=count)

    async def ask(self, dialect: DialectName, model: str) -> ProbeResult:
        """Ask `model` a question that costs a few tokens."""
        url = endpoint(self.provider, dialect, base_url=self.account.base_url, model=model, stream=False)
        body = probe_body(dialect, model)
        result, answer = await self._call("POST", url, self._headers(dialect), body)
        if result.status == 400 and "max_tokens" in body and b"max_completion_tokens" in answer:
            body["max_completion_tokens"] = body.pop("max_tokens")  # OpenAI's newer models take only this one
            result, answer = await self._call("POST", url, self._headers(dialect), body)
        if result.status is None:
            return result
        if not result.ok:
            return replace(result, detail=self._say_error(dialect, result.status, answer))
        try:
            fault = DIALECTS[dialect].read_whole(await asyncio.to_thread(orjson.loads, answer)).fault
        except ValueError:
            return replace(result, ok=False, detail=f"{url} answers, but not in the {dialect} dialect")
        if fault is not None:
            return replace(result, ok=False, detail=self._hide(f"{model}: {fault.message}"))
        return replace(result, detail=f"{model} answered")

    async def _ask_known(self, dialect: DialectName, why: str) -> ProbeResult:
        if not self.provider.models:
            return ProbeResult(False, None, 0.0, f"{why}: name a model to ask")
        result = await self.ask(dialect, self.provider.models[0].id)
        return replace(result, detail=f"{why}, so a model was asked: {result.detail}")

    async def _is_public(self, url: str, dialect: DialectName) -> bool:
        result, _ = await self._call("GET", url, self._headers(dialect, with_key=False))
        return result.ok

    async def _call(
        self, method: str, url: str, headers: dict[str, str], body: dict[str, Any] | None = None
    ) -> tuple[ProbeResult, bytes]:
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers = headers | {"content-type": "application/json"}
        async with provider_client(self.timeout, self.transport, self.proxy) as client:
            start = self.clock()
            try:
                status, answer = await fetch(client, method, url, headers, content)
            except OSError as error:
                return ProbeResult(False, None, self._since(start), self._hide(str(error))), b""
        return ProbeResult(200 <= status < 300, status, self._since(start), f"status {status}"), answer

    def _headers(self, dialect: DialectName, *, with_key: bool = True) -> dict[str, str]:
        own = DIALECT_HEADERS.get(dialect, {}) | {name.lower(): value for name, value in self.provider.headers.items()}
        return own | (credential_headers(self.provider, self.api_key) if with_key else {})

    def _models_url(self, dialect: DialectName) -> str | None:
        model = "-"
        url = endpoint(self.provider, dialect, base_url=self.account.base_url, model=model, stream=False)
        if dialect == "gemini":
            return url.rpartition(f"/{model}:")[0] or None
        tail = TAILS[dialect]
        return url.removesuffix(tail) + "/models" if url.endswith(tail) else None

    def _say_error(self, dialect: DialectName, status: int | None, body: bytes) -> str:
        if status is None:
            return ""
        said = DIALECTS[dialect].read_error(status, body).message
        return self._hide(f"the key was refused: {said}" if status in {401, 403} else f"status {status}: {said}")

    def _hide(self, text: str) -> str:
        return redact(text, [self.api_key] if self.api_key else [])

    def _since(self, start: float) -> float:
        return round((self.clock() - start) * 1000, 1)


def main_dialect(provider: Provider) -> DialectName:
    """Give the dialect in which `provider` is asked about itself: the first of ours that it speaks."""
    names: tuple[DialectName, ...] = ("openai", "claude", "responses", "gemini")
    return next(name for name in names if name in provider.paths)


def probe_body(dialect: DialectName, model: str) -> dict[str, Any]:
    match dialect:
        case "openai" | "claude":
            return {"model": model, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": QUESTION}]}
        case "responses":
            return {"model": model, "max_output_tokens": MAX_TOKENS, "input": QUESTION}
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": QUESTION}]}]
            return {"contents": contents, "generationConfig": {"maxOutputTokens": MAX_TOKENS}}
        case _:
            assert_never(dialect)


def count_models(body: bytes) -> int | None:
    """Count a list of models in any of the shapes that providers give it; None when it is none."""
    try:
        read = orjson.loads(body)
    except ValueError:
        return None
    if isinstance(read, dict):
        read = read.get("data", read.get("models"))
    return len(read) if isinstance(read, list) else None
