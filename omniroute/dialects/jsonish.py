"""JSON as it goes out: compact, in UTF-8, and possible for everything that JSON can hold."""

import json
from typing import Any

import orjson


def dump(value: Any) -> bytes:
    """Write a value; ValueError when it is nested too deeply for anybody to read.

    Numbers beyond 64 bits, halves of characters and hundreds of levels are the slow way's business.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        try:
            return json.dumps(value, separators=(",", ":")).encode()
        except RecursionError:
            raise ValueError("nested too deeply") from None


def load_object(text: str) -> dict[str, Any]:
    """Read one object; ValueError for anything else."""
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
