"""Token numbers of Anthropic Messages."""

from omniroute.dialects.ir import Usage
from omniroute.dialects.usage import count, details, doubted, total


def read_usage(value: object) -> Usage | None:
    """Read a `usage` object; None where there is none. `input_tokens` is only what no cache had a part in."""
    if not isinstance(value, dict):
        return None
    read, written = count(value.get("cache_read_input_tokens")), count(value.get("cache_creation_input_tokens"))
    fresh, output = count(value.get("input_tokens")), details(value.get("output_tokens_details"))
    return Usage(
        input=None if fresh is None else total(fresh, read, written),
        output=count(value.get("output_tokens")),
        cache_read=read,
        cache_write=written,
        reasoning=count(output.get("thinking_tokens")),
        doubted=doubted(value, output),
    )
