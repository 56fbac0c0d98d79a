"""What replies say, checked: where a dialect promises text or a list of objects, nothing else is taken for one."""

from typing import Any

from omniroute.dialects.ir import Body


def string(value: Any) -> str:
    """Give text that may be missing; ValueError for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    return value


def objects(value: Any) -> list[Body]:
    """Give a list of objects that may be missing; ValueError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("expected a list of objects")
    return value
