"""Finds the answer to a request that says nearly the same, by what an embedding model makes of the user's words.

Whatever goes wrong here is a miss: the request is then asked as ever.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx

from omniroute.addons.cache_key import cache_key, digest, owner
from omniroute.cache.answer import CachedAnswer
from omniroute.cache.similarity import nearest, normalize
from omniroute.catalog.pricing import cost
from omniroute.config.settings import MAX_PATIENCE
from omniroute.dialects.ir import Usage
from omniroute.dialects.request_identity import numbers, question
from omniroute.errors import GatewayError
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.gateway.usage_recorder import embedding_row
from omniroute.mitm.ports import BIG
from omniroute.netproxy.proxy_url import Proxy
from omniroute.routing.model_index import without_suffix
from omniroute.routing.target import Target
from omniroute.upstream.client import provider_client
from omniroute.upstream.embeddings import EmbeddingFailed, embed

log = logging.getLogger(__name__)

QUICK = 400_000
"""Numbers that are searched at once; more are searched beside the traffic."""
AT_ONCE = 64
"""Texts that are embedded together; who comes then is not kept waiting for it."""
REST = 30.0
"""Seconds for which a model that has failed is left alone, so that not every request waits for it."""
CLIENTS = 4
"""Network proxies whose connections are kept open."""

type Connect = Callable[[float, Proxy | None], httpx.AsyncClient]


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A request that may be answered with what was said to another."""

    text: str
    bucket: str
    targets: tuple[Target, ...]


class SemanticCache:
    """The connections to the embedding model, and how it fares."""

    def __init__(
        self, runtime: Runtime, connect: Connect = lambda limit, proxy: provider_client(limit, proxy=proxy)
    ) -> None:
        self._runtime, self._connect = runtime, connect
        self._clients: dict[Proxy | None, httpx.AsyncClient] = {}
        self._opening = asyncio.Lock()
        self._under_way = 0
        self._rests: tuple[int, float] = (-1, 0.0)
        """The revision of the configuration with which it has failed, and until when it is left alone."""

    async def look(self, exchange: Exchange) -> CachedAnswer | None:
        """Find the answer to who said nearly the same; the exchange notes what its own answer is found by."""
        try:
            return await self._look(exchange)
        except (GatewayError, EmbeddingFailed) as error:
            self._failed(exchange, str(error), rests=not (isinstance(error, EmbeddingFailed) and error.ours))
        except Exception:
            log.exception("no answer to a similar request could be looked for")
        return None

    async def _look(self, exchange: Exchange) -> CachedAnswer | None:
        runtime, cache = self._runtime, exchange.config.rules.cache
        if self._rests[0] == exchange.config.revision and runtime.clock() < self._rests[1]:
            return None
        large = len(exchange.raw_body) > BIG
        asked = await asyncio.to_thread(self._asked, exchange) if large else self._asked(exchange)
        if asked is None or (vector := await self._vector(exchange, asked)) is None:
            return None
        exchange.replay.bucket, exchange.replay.vector = asked.bucket, vector
        kept = runtime.replays.similar(asked.bucket, runtime.config.rules)
        search = (vector, kept, cache.similarity)
        many = len(kept) * len(vector) // 4 > QUICK
        found = await asyncio.to_thread(nearest, *search) if many else nearest(*search)
        answer = runtime.replays.find(found[0], runtime.config.rules) if found else None
        return replace(answer, similarity=found[1]) if answer and found else None

    def _asked(self, exchange: Exchange) -> _Lookup | None:
        if (found := question(exchange.dialect, exchange.body)) is None:
            return None
        text, rest = found
        targets = self._runtime.choosing.embedding(exchange.config.rules.cache.similar, exchange.config)
        model = repr((targets[0].name, targets[0].account.base_url, targets[0].provider.base_url))
        said = (cache_key(self._runtime, exchange, rest), model, *numbers(text))
        return _Lookup(text, digest(b"similar", *(part.encode() for part in said)), targets)

    async def _vector(self, exchange: Exchange, asked: _Lookup) -> bytes | None:
        """Embed the text, where its key may spend something and an account has room for it."""
        runtime, admission = self._runtime, self._runtime.choosing.admission
        if self._under_way >= AT_ONCE or not self._may_spend(exchange, asked):
            return None
        if (admitted := admission.admit(asked.targets)) is None:
            return None
        target, began = admitted[0], runtime.clock()
        self._under_way += 1
        try:
            async with asyncio.timeout(exchange.config.rules.cache.similar_timeout):
                client = await self._client(runtime.proxy(target, exchange.config))
                embedded = await embed(client, target, runtime.credentials.get(target.account.id), asked.text)
        except TimeoutError:
            raise EmbeddingFailed(f"{target.name} has not answered in time") from None
        finally:
            self._under_way -= 1
            admission.limits.end(target.account.id)
            admission.ended(target.account.id)
        runtime.tasks.start(
            self._note(exchange, target, embedded.tokens, runtime.clock() - began), "cost of an embedding"
        )
        try:
            return normalize(embedded.numbers)
        except ValueError as error:
            raise EmbeddingFailed(f"{target.name} answers, but {error}") from error

    def _may_spend(self, exchange: Exchange, asked: _Lookup) -> bool:
        runtime = self._runtime
        if not runtime.spending.budgets(exchange, runtime.config):
            return True
        known = runtime.prices_known.is_set() and runtime.spent.known.is_set()
        return known and runtime.spending.may_embed(exchange, asked.targets[0], asked.text, runtime.config)

    async def _note(self, exchange: Exchange, target: Target, tokens: int | None, took: float) -> None:
        """Log the call as what it is: one to a model, on account of the key that asked."""
        runtime, at = self._runtime, self._runtime.wall()
        await runtime.prices_known.wait()
        when, usage = datetime.fromtimestamp(at, UTC), Usage(input=tokens, output=0)
        price = cost(target.provider, without_suffix(target.model), usage, when, exchange.config.prices)
        if price:
            runtime.spending.ledger.spend(owner(exchange), price, at)
        runtime.record(embedding_row(exchange, target, secrets.token_hex(8), at, usage, price, took))

    async def _client(self, proxy: Proxy | None) -> httpx.AsyncClient:
        """Give the client for a way; making one reads the certificates of all authorities, so a thread does."""
        async with self._opening:
            if (client := self._clients.pop(proxy, None)) is None:
                client = await asyncio.to_thread(self._connect, MAX_PATIENCE, proxy)
            self._clients[proxy] = client
            if len(self._clients) > CLIENTS:
                self._close(self._clients.pop(next(iter(self._clients))))
        return client

    def _failed(self, exchange: Exchange, why: str, *, rests: bool) -> None:
        name = exchange.config.rules.cache.similar
        if not rests:
            log.info("a text was not embedded by %s: %s", name, why)
        elif self._rests[0] != exchange.config.revision or self._runtime.clock() >= self._rests[1]:
            self._rests = exchange.config.revision, self._runtime.clock() + REST
            log.warning("no answers to similar requests for %.0f s: %s: %s", REST, name, why)

    def _close(self, client: httpx.AsyncClient) -> None:
        self._runtime.tasks.start(client.aclose(), "end of an embedding model's connections")

    def close(self) -> None:
        """Let go of all connections."""
        while self._clients:
            self._close(self._clients.popitem()[1])
