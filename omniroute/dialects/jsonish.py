"""JSON as it goes out: compact, in UTF-8, and possible for everything that JSON can hold."""

import json
from typing import Any

import orjson


def dump(value: Any) -> bytes:
    """Write a value. Numbers beyond 64 bits and halves of characters are the slow way's business."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def load_object(text: str) -> dict[str, Any]:
    """Read one object; ValueError for anything else."""
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
