"""When two requests mean the same: what of a body shapes its answer.

Everything does but for the fields that are named here. A field that nobody knows yet is part of the key: an answer
too few costs a call, an answer too many is wrong.
"""

from types import MappingProxyType
from typing import Any

from omniroute.dialects.ir import Body
from omniroute.dialects.jsonish import dump

ABOUT_STREAMS = frozenset({"stream", "stream_options"})
"""Only whole answers are looked at here, so neither says anything that counts."""

WITHOUT_EFFECT = MappingProxyType(
    {
        # Who asks, and where the provider files or caches it: no part of the answer, which repeats none of it.
        # `service_tier` is repeated in the reply, so it counts.
        "openai": ABOUT_STREAMS
        | {
            "user",
            "safety_identifier",
            "metadata",
            "store",
            "prompt_cache_key",
            "prompt_cache_retention",
        },
        # A reply of Responses repeats its request, these included: whoever sets another user is to read that one.
        "responses": ABOUT_STREAMS,
        # `metadata` has the user's id; `cache_control` is about the provider's own cache of prompts.
        "claude": ABOUT_STREAMS | {"metadata", "cache_control"},
        # Labels are for the provider's bill.
        "gemini": frozenset({"labels"}),
    }
)
"""Dialect -> fields of the body that cannot change the answer."""


def is_certain(dialect: str, body: Body) -> bool:
    """Say whether the client itself asks for temperature 0: what it leaves out is the provider's choice."""
    said: Any = body
    if dialect == "gemini":
        said = body.get("generationConfig") or body.get("generation_config")
    temperature = said.get("temperature") if isinstance(said, dict) else None
    return isinstance(temperature, int | float) and not isinstance(temperature, bool) and temperature == 0


def meaning(dialect: str, body: Body) -> bytes:
    """Write what shapes the answer; ValueError for a body that is nested too deeply.

    The order of fields counts below the first level: models read schemas and arguments as they are written.
    """
    without = WITHOUT_EFFECT[dialect]
    return dump({key: body[key] for key in sorted(body) if key not in without})
