"""Routes for the statistics of the response cache and for clearing it."""

from pydantic import Field

from omniroute.panel.routes import Body, Call, delete, get
from omniroute.store.state import cached_answers


class Semantic(Body):
    enabled: bool
    shared: bool = Field(description="By all keys; else key by key.")
    db_entries: int
    entries_limit: int
    bytes: int
    bytes_limit: int
    ttl: float = Field(description="Seconds that an answer is given again for.")
    oldest: float | None
    hits: int = Field(description="In all of the history.")
    similar_model: str | None = Field(description="That tells which requests say nearly the same; null is off.")
    similar_entries: int
    similar_hits: int


class Idempotency(Body):
    repeats: int = Field(description="Answers to requests that were sent twice, in all of the history.")


class Cached(Body):
    semantic_cache: Semantic
    idempotency: Idempotency


class Cleared(Body):
    ok: bool
    removed: int


@get("/api/cache", "Say how much is kept, and how often it was of use.")
def stats(call: Call) -> Cached:
    found, limits = cached_answers.stats(call.store), call.runtime.config.rules.cache
    return Cached(
        semantic_cache=Semantic(
            enabled=limits.enabled,
            shared=limits.shared,
            db_entries=found.entries,
            entries_limit=limits.entries,
            bytes=found.bytes,
            bytes_limit=limits.bytes,
            ttl=limits.ttl,
            oldest=found.oldest,
            hits=found.hits,
            similar_model=limits.similar or None,
            similar_entries=found.similar,
            similar_hits=found.similar_hits,
        ),
        idempotency=Idempotency(repeats=found.repeats),
    )


@delete("/api/cache", "Forget every answer, at once.")
def clear(call: Call) -> Cleared:
    return Cleared(ok=True, removed=cached_answers.clear(call.store))
