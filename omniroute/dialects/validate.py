"""Reading a body that a client wrote: what is not as its dialect promises is refused with the path of the field."""

import base64
from typing import Any

from omniroute.dialects.ir import Body
from omniroute.errors import BadRequest

KINDS: dict[type, str] = {str: "a string", bool: "true or false", int: "an integer", float: "a number"}
KINDS |= {dict: "an object", list: "a list"}


MAX_SHOWN = 500
"""Characters of a path, and of a reason, in a refusal: both may hold names and values that the client made up."""


def refuse(path: str, why: str, *, code: str | None = None) -> BadRequest:
    """Make the refusal of a body: `why` goes on from the path, as in "… must be a string"."""
    path = _shown(path)
    return BadRequest(f"{path} {_shown(why)}", param=path, code=code)


def _shown(text: str) -> str:
    """Cut a text and escape what is not printable: control characters, and marks that turn its direction."""
    text = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return text if text.isprintable() else repr(text)[1:-1]


def expect[T](value: Any, kind: type[T], path: str) -> T:
    """Give `value` as the kind it has to be."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return value  # type: ignore[return-value]  # JSON has one kind of number
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise refuse(path, f"must be {KINDS[kind]}")


def optional[T](body: dict[str, Any], key: str, kind: type[T], path: str = "") -> T | None:
    """Give a field that may be missing or null."""
    value = body.get(key)
    return None if value is None else expect(value, kind, f"{path}.{key}" if path else key)


def required[T](body: dict[str, Any], key: str, kind: type[T], path: str = "") -> T:
    """Give a field that may not be missing."""
    where = f"{path}.{key}" if path else key
    if key not in body:
        raise refuse(where, "is missing")
    return expect(body[key], kind, where)


def objects(value: list[Any], path: str) -> list[tuple[dict[str, Any], str]]:
    """Give the objects of a list, each with its own path."""
    return [(expect(item, dict, f"{path}[{i}]"), f"{path}[{i}]") for i, item in enumerate(value)]


def lift(body: dict[str, Any], key: str, *known: str) -> dict[str, Any]:
    """Put what an inner object holds beyond `known` beside it, by its path: there it is kept and reported."""
    inner = body.get(key)
    if not isinstance(inner, dict):
        return body
    unknown = {f"{key}.{name}": value for name, value in inner.items() if name not in known and value is not None}
    return {**body, **unknown} if unknown else body


def read_base64(text: str, path: str) -> bytes:
    """Give the bytes that a field holds as base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # also of a text that is not ASCII
        raise refuse(path, "must be base64") from None


def string(value: Any) -> str:
    """Give text that may be missing; ValueError for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    return value


def upstream_objects(value: Any) -> list[Body]:
    """Give a list of objects that may be missing; ValueError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("expected a list of objects")
    return value
