"""What a request is the same as: the key of its answer in the cache."""

import hashlib
from functools import lru_cache

from omniroute.addons.conversations import keeps
from omniroute.catalog.provider import DialectName
from omniroute.config.model import Config, Key
from omniroute.dialects.ir import Body
from omniroute.dialects.request_identity import meaning
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.routing.plan import plan

SHAPING = (b"anthropic-", b"openai-", b"x-goog-")
"""How headers begin that can change an answer: versions, betas, projects."""


def cache_key(runtime: Runtime, exchange: Exchange, body: Body) -> str:
    """Digest all that shapes the answer to a body, and who may have it.

    Forbidden or BadRequest where the key may not ask for the model, or nobody has it.
    """
    config = exchange.config
    private = not config.rules.cache.shared or keeps(runtime, exchange)
    assert exchange.claimed
    alone = exchange.claimed.provider is not None
    parts = (
        exchange.dialect.encode(),
        b"of " + owner(exchange).encode() if private else b"of all",
        exchange.path.encode("utf-8", "surrogateescape"),
        exchange.query.encode("utf-8", "surrogateescape"),
        _leads_to(exchange.model, config, exchange.key, exchange.dialect, alone).encode(),
        repr(config.rules.shape).encode(),
        repr(sorted((n.lower(), v) for n, v in exchange.headers if n.lower().startswith(SHAPING))).encode(),
        meaning(exchange.dialect, body),
    )
    return digest(*parts)


class _KeyFields:
    """A value that equals nothing but itself, so that a snapshot can be a key without being read."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _KeyFields) and other.value is self.value


@lru_cache(maxsize=256)
def _known(name: str, config: _KeyFields, key: _KeyFields, dialect: DialectName, alone: bool) -> str:
    assert isinstance(config.value, Config)
    assert isinstance(key.value, Key | None)
    found = plan(name, config.value, client=dialect, key=key.value, alone=alone)
    ways = sorted((repr(t.path.path), t.name, t.account.base_url or "", t.provider.base_url) for t in found.targets)
    return repr((name, config.value.combos.get(found.combo or ""), ways))


def _leads_to(name: str, config: Config, key: Key | None, dialect: DialectName, alone: bool) -> str:
    """Say what a name stands for: when that changes, so does what it is answered with."""
    return _known(name, _KeyFields(config), _KeyFields(key), dialect, alone)


def owner(exchange: Exchange) -> str:
    """Name who asks; who has no key is nobody."""
    return exchange.key.id if exchange.key else ""


def digest(*parts: bytes) -> str:
    """Digest some bytes, each with its length, so that none can pass for a part of another."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.hexdigest()
