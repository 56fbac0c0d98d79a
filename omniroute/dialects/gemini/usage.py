"""Token usage and log probabilities of the Gemini dialect."""

from collections.abc import Sequence
from typing import Any

from omniroute.dialects.ir import Body, TokenLogprob, Usage
from omniroute.dialects.openai.reply import is_logprob
from omniroute.dialects.token_usage import count, doubted, total


def read_usage(value: object) -> Usage | None:
    """Read a `usageMetadata` object; None if there is none.

    `promptTokenCount` includes cached tokens but excludes tool results fed into the prompt; `candidatesTokenCount`
    excludes thoughts.
    """
    if not isinstance(value, dict):
        return None
    thoughts = count(value.get("thoughtsTokenCount"))
    return Usage(
        input=total(count(value.get("promptTokenCount")), count(value.get("toolUsePromptTokenCount"))),
        output=total(count(value.get("candidatesTokenCount")), thoughts),
        cache_read=count(value.get("cachedContentTokenCount")),
        reasoning=thoughts,
        doubted=doubted(value),
    )


def write_usage(usage: Usage) -> Body:
    """Write usage as Gemini counts: thoughts are separate from the candidates, and cache writes have no field."""
    reasoning = min(usage.reasoning or 0, usage.output or 0)
    body: Body = {
        "promptTokenCount": usage.input or 0,
        "candidatesTokenCount": (usage.output or 0) - reasoning,
        "totalTokenCount": (usage.input or 0) + (usage.output or 0),
    }
    if usage.cache_read is not None:
        body["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning is not None:
        body["thoughtsTokenCount"] = reasoning
    return body


def read_logprobs(result: Any) -> tuple[TokenLogprob, ...]:
    """Read a `logprobsResult`; skip malformed items, as no reply should fail because of them."""
    if not isinstance(result, dict):
        return ()
    chosen, top = result.get("chosenCandidates"), result.get("topCandidates")
    others = top if isinstance(top, list) else []
    found: list[TokenLogprob] = []
    for index, one in enumerate(chosen if isinstance(chosen, list) else ()):
        place = others[index] if index < len(others) else None
        said = place.get("candidates") if isinstance(place, dict) else None
        beside = tuple(odds for other in said if (odds := _read(other))) if isinstance(said, list) else ()
        if odds := _read(one, beside):
            found.append(odds)
    return tuple(found)


def _read(one: Any, others: tuple[TokenLogprob, ...] = ()) -> TokenLogprob | None:
    match one:
        case {"token": str(token), "logProbability": int() | float() as logprob} if is_logprob(logprob):
            return TokenLogprob(token, logprob, others=others)
        case _:
            return None


def write_logprobs(odds: Sequence[TokenLogprob]) -> Body:
    """Return the candidate fields that hold log probabilities; empty without any."""
    if not odds:
        return {}
    chosen = [_write(one) for one in odds]
    top = [{"candidates": [_write(other) for other in one.others]} for one in odds]
    return {"logprobsResult": {"chosenCandidates": chosen, "topCandidates": top}}


def write_mean(total: float, count: int) -> Body:
    return {"avgLogprobs": total / count} if count else {}


def _write(one: TokenLogprob) -> Body:
    return {"token": one.token, "logProbability": one.logprob}
