"""An exchange as a row of the history."""

from omniroute.dialects.ir import Usage
from omniroute.exchange import Asked, Exchange
from omniroute.routing.target import Target
from omniroute.store import usage


def row_of(exchange: Exchange, status: int | None, now: float) -> usage.UsageRow:
    """Say how an exchange stands, or what it has come to; `status` is None while the client has no answer."""
    served = exchange.served
    asked, answer = served or exchange.last, exchange.replay.answer
    counted = exchange.usage
    content_at = served.attempt.content_at if served else None
    return usage.UsageRow(
        id=exchange.id,
        at=exchange.at,
        key_id=exchange.key.id if exchange.key else None,
        key_name=exchange.key.name if exchange.key else None,
        account_id=asked.target.account.id if asked else None,
        account_name=asked.target.account.name if asked else None,
        provider=asked.target.provider.id if asked else None,
        model_asked=exchange.model,
        model_served=served.target.name if served else answer.route if answer else None,
        combo=exchange.plan.combo if exchange.plan else None,
        client_dialect=exchange.dialect,
        upstream_dialect=asked.target.dialect if asked else None,
        path=exchange.path,
        streamed=exchange.stream,
        status=status,
        error=_error(exchange),
        input=counted.input,
        output=counted.output,
        cache_read=counted.cache_read,
        cache_write=counted.cache_write,
        reasoning=counted.reasoning,
        cost=exchange.cost,
        attempts=tuple(_attempt(one, now, over=status is not None) for one in exchange.asked),
        latency_ms=(now - exchange.started) * 1000,
        ttft_ms=(content_at - exchange.started) * 1000 if content_at is not None else None,
        overhead_ms=exchange.overhead * 1000 if exchange.overhead is not None else None,
        dropped=served.dropped if served else answer.dropped if answer else (),
        replayed=exchange.replay.source,
    )


def embedding_row(
    exchange: Exchange, target: Target, id: str, at: float, counted: Usage, cost: float | None, took: float
) -> usage.UsageRow:
    """Say what it took to look for a similar request: a call of its own to a model, for the key that asked."""
    ms = took * 1000
    return usage.UsageRow(
        id=id,
        at=at,
        key_id=exchange.key.id if exchange.key else None,
        key_name=exchange.key.name if exchange.key else None,
        account_id=target.account.id,
        account_name=target.account.name,
        provider=target.provider.id,
        model_asked=exchange.config.rules.cache.similar,
        model_served=target.name,
        combo=None,
        client_dialect=exchange.dialect,
        upstream_dialect=target.dialect,
        path="/v1/embeddings",
        streamed=False,
        status=200,
        error=None,
        input=counted.input,
        output=counted.output,
        cache_read=None,
        cache_write=None,
        reasoning=None,
        cost=cost,
        attempts=(usage.AttemptRow(target.name, target.account.name, "ok", 200, ms, ""),),
        latency_ms=ms,
        ttft_ms=None,
        overhead_ms=None,
        dropped=(),
    )


def _error(exchange: Exchange) -> str | None:
    """What the client missed: the refusal it was told, or what broke off the answer it was getting."""
    last = exchange.last
    return exchange.error or (last.attempt.failure.message if last and last.attempt.failure else None)


def _why(asked: Asked) -> str:
    """Say why it was asked, where it was not for want of an answer."""
    if asked.beside is not None:
        return f"asked beside another that was late, after {asked.beside:.1f} s"
    return "" if asked.resumed is None else f"went on after {asked.resumed} characters"


def _after(asked: Asked) -> str:
    """Say what a cancelled attempt must have cost, or why a broken answer was not resumed."""
    if asked.estimate is not None:
        return f"its input cost about ${asked.estimate:.6f}"
    return f"not resumed: {asked.unresumed}" if asked.unresumed else ""


def _attempt(asked: Asked, now: float, *, over: bool) -> usage.AttemptRow:
    attempt = asked.attempt
    failure = attempt.failure
    status = failure.status if failure else None
    if status is None and attempt.upstream:
        status = attempt.upstream.status_code
    return usage.AttemptRow(
        target=asked.target.name,
        account=asked.target.account.name,
        outcome=failure.label if failure else "ok" if over else "answering" if attempt.content_at else "asking",
        status=status,
        ms=((attempt.ended or now) - attempt.started) * 1000 if attempt.started else 0.0,
        detail="; ".join(filter(None, (_why(asked), failure.message if failure else "", _after(asked)))),
        estimate=asked.estimate,
    )
