"""The two spellings of Gemini's fields: its JSON takes `systemInstruction` and `system_instruction` for the same."""

import functools
import re
from typing import Any

from omniroute.dialects.ir import Body

WORD = re.compile(r"_([a-z0-9])")


@functools.lru_cache(maxsize=1024)
def _name(key: str) -> str:
    return WORD.sub(lambda found: found[1].upper(), key)


def camel(body: Body) -> Body:
    """Give the fields of one object by their camelCase names; what is null is not there."""
    return {_spell(key): value for key, value in body.items() if value is not None}


def _spell(key: Any) -> str:
    # Only names as long as any field's are kept in memory: a client may send whatever it likes.
    return _name(key) if "_" in key and len(key) < 40 else str(key)
