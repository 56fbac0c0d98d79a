"""Token numbers of OpenAI Responses."""

from omniroute.dialects.ir import Usage
from omniroute.dialects.usage import count, details, doubted


def read_usage(value: object) -> Usage | None:
    """Read a `usage` object; None where there is none. Cached tokens are inside the input, reasoning in the output."""
    if not isinstance(value, dict):
        return None
    given, output = details(value.get("input_tokens_details")), details(value.get("output_tokens_details"))
    return Usage(
        input=count(value.get("input_tokens")),
        output=count(value.get("output_tokens")),
        cache_read=count(given.get("cached_tokens")),
        cache_write=count(given.get("cache_write_tokens")),
        reasoning=count(output.get("reasoning_tokens")),
        doubted=doubted(value, given, output),
    )
