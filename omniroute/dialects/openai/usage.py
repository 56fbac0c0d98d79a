"""Token numbers of Chat Completions."""

from omniroute.dialects.ir import Usage
from omniroute.dialects.usage import count, details, doubted, total


def read_usage(value: object) -> Usage | None:
    """Read a `usage` object; None where there is none.

    Cached tokens are inside `prompt_tokens`, reasoning inside `completion_tokens`. Some providers count
    reasoning apart: their `total_tokens` gives them away.
    """
    if not isinstance(value, dict):
        return None
    prompt = details(value.get("prompt_tokens_details"))
    completion = details(value.get("completion_tokens_details"))
    given, output = count(value.get("prompt_tokens")), count(value.get("completion_tokens"))
    reasoning = count(completion.get("reasoning_tokens"))
    if reasoning and output is not None and total(given, output, reasoning) == count(value.get("total_tokens")):
        output = total(output, reasoning)
    return Usage(
        input=given,
        output=output,
        cache_read=_first(
            prompt.get("cached_tokens"),
            value.get("prompt_cache_hit_tokens"),  # DeepSeek
            value.get("cached_tokens"),  # Kimi
        ),
        cache_write=count(prompt.get("cache_write_tokens")),
        reasoning=reasoning,
        doubted=doubted(value, prompt, completion),
    )


def _first(*values: object) -> int | None:
    return next((number for value in values if (number := count(value)) is not None), None)
