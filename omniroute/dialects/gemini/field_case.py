"""Conversion of Gemini's field names to camelCase.

Gemini accepts `systemInstruction` and `system_instruction` for the same field.
"""

import functools
import re
from typing import Any

from omniroute.dialects.ir import Body

WORD = re.compile(r"_([a-z0-9])")


@functools.lru_cache(maxsize=1024)
def _name(key: str) -> str:
    return WORD.sub(lambda found: found[1].upper(), key)


def camel(body: Body) -> Body:
    """Return the object with its own field names in camelCase, without the fields that are null."""
    return {_spell(key): value for key, value in body.items() if value is not None}


def _spell(key: Any) -> str:
    # Only names no longer than real fields are cached: a client may send arbitrary ones.
    return _name(key) if "_" in key and len(key) < 40 else str(key)
