"""Token numbers of Gemini."""

from omniroute.dialects.ir import Usage
from omniroute.dialects.usage import count, total


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
    )
