"""Token numbers of Gemini."""

from omniroute.dialects.ir import Body, Usage
from omniroute.dialects.usage import count, doubted, total


def read_usage(value: object) -> Usage | None:
    """Read a `usageMetadata` object; None where there is none.

    Cached tokens are inside the prompt; thoughts are outside the candidates, and what tools fed into the
    prompt is outside the prompt.
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
    """Count as Gemini does: thoughts stand beside the candidates. Writing to a cache has no number there."""
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
