"""Bounds on the shape of a JSON body: levels of nesting, objects and lists in all, messages, blocks and tools.

A large body is scanned before it is parsed, as a parsed one takes many times its size; any other is checked once it is
parsed. Both name the setting whose bound is exceeded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from omniroute.dialects.ir import Body
from omniroute.errors import BadRequest

PLAIN = 384 * 1024
"""Bytes of a body that is parsed without a scan: however many objects it has, parsing takes milliseconds."""
PER_MESSAGE = 10
"""Objects and lists that a body may have for each message that it may have."""
VALUES_PER_MESSAGE = 50
"""Values of any kind that a body may have for each message that it may have."""
WINDOW = 256 * 1024
"""Bytes that one call of a regular expression looks at, so that other threads get the interpreter lock in between."""
WRITABLE = 254
"""Levels that orjson writes at most; it finds out several times as fast as a loop that more are there."""
WRITTEN = 1024 * 1024
"""Bytes of a body that is written for that at most."""
FIELD, ITEM, BLOCKS_LIST, BLOCK = 2, 3, 4, 5
"""Levels at which the brackets of a field's list, its items, and the blocks of these open."""
TURNS = ("messages", "input", "contents")
"""Fields that hold messages or items."""
BLOCKS = ("content", "parts", "output", "summary")
"""Fields of a message or item that hold blocks."""
OTHERS = ("tools", "system", "functions")
"""Further fields whose items are counted."""

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+(?:([{\[])|([}\]]))", re.DOTALL)
_STRINGS = re.compile(_STRING, re.DOTALL)
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_KEY = re.compile(rb'"(\w+)"\s*+:\s*+\Z')
_WHOLE = re.compile(rb'(?:[^"]++|' + _STRING + rb")*+", re.DOTALL)
_TOKENS = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class JsonBounds:
    """What a body may hold at most."""

    depth: int = 256
    messages: int = 20_000

    @property
    def containers(self) -> int:
        """Objects and lists in all."""
        return self.messages * PER_MESSAGE

    @property
    def values(self) -> int:
        """Values of any kind in all."""
        return self.messages * VALUES_PER_MESSAGE

    def too_deep(self, where: str = "the body") -> BadRequest:
        """Make the refusal of a body that is nested too deeply."""
        return BadRequest(f"{where} is nested over {self.depth} levels deep (setting server.json_depth)")

    def too_many(self, where: str, what: str = "items") -> BadRequest:
        """Make the refusal of a list that is too long."""
        return BadRequest(f"{where} has over {self.messages} {what} (setting server.messages)", param=where)

    def too_crowded(self) -> BadRequest:
        """Make the refusal of a body of too many objects and lists."""
        return BadRequest(
            f"the body has over {self.containers} objects and lists ({PER_MESSAGE} times the setting server.messages)"
        )

    def too_many_values(self) -> BadRequest:
        """Make the refusal of a body of too many values."""
        return BadRequest(
            f"the body has over {self.values} values ({VALUES_PER_MESSAGE} times the setting server.messages)"
        )


def brackets(raw: bytes) -> Iterator[tuple[int, bool]]:
    """Give the place of each bracket outside of strings, and whether it opens.

    Takes linear time whatever the bytes are, and ends early for what is not JSON.
    """
    at, size = 0, len(raw)
    while at < size:
        if found := _BRACKET.match(raw, at, at + WINDOW):
            at = found.end()
            yield at - 1, found[1] is not None
            continue
        passed = _TOKENS.match(raw, at, at + WINDOW)
        assert passed  # it matches the empty string
        at = passed.end()
        if at < size and raw[at] == 0x22:
            at = string_end(raw, at)


def string_end(raw: bytes, start: int) -> int:
    """Return the place behind the string that begins at `start`, a window at a time; the end where it has none."""
    at, size = start + 1, len(raw)
    while at < size:
        found = _INSIDE.match(raw, at, at + WINDOW)
        assert found  # it matches the empty string
        at = found.end()
        if at < size and raw[at] == 0x22:
            return at + 1
        if at < size and raw[at] == 0x5C and found.end() == found.start():
            at += 2  # an escape that the window cuts
    return size


def scan(raw: bytes, bounds: JsonBounds) -> None:
    """Refuse a large body by its brackets and commas, before it is parsed."""
    if len(raw) <= PLAIN:
        return
    if _has_more(raw, b"{[", bounds.messages):
        _check_brackets(raw, bounds)
    if _has_more(raw, b",", bounds.values) and commas(raw, bounds.values) > bounds.values:
        raise bounds.too_many_values()


def _has_more(raw: bytes, characters: bytes, limit: int) -> bool:
    """Say whether some characters stand in a body more often than that, in strings or outside of them."""
    count = 0
    for start in range(0, len(raw), WINDOW):
        count += sum(raw.count(character, start, start + WINDOW) for character in characters)
        if count > limit:
            return True
    return False


def _check_brackets(  # noqa: C901  # one counter for each level
    raw: bytes, bounds: JsonBounds
) -> None:
    depth = items = blocks = all_blocks = start = 0
    for count, (at, opens) in enumerate(brackets(raw)):
        depth += 1 if opens else -1
        if not opens:
            continue
        if depth == FIELD:
            items = all_blocks = 0
            start = at
        elif depth == ITEM:
            items += 1
        elif depth == BLOCKS_LIST:
            blocks = 0
        elif depth == BLOCK:
            blocks += 1
            all_blocks += 1
        if depth > bounds.depth:
            raise bounds.too_deep()
        if items > bounds.messages:
            raise bounds.too_many(_field(raw, start))
        if blocks > bounds.messages or all_blocks > bounds.messages * len(BLOCKS):
            raise bounds.too_many(_field(raw, start), "blocks")
        if count > 2 * bounds.containers:  # each is opened and closed
            raise bounds.too_crowded()


def commas(raw: bytes, limit: int) -> int:
    """Count the commas outside of strings, up to a little more than a limit."""
    at = count = 0
    while at < len(raw) and count <= limit:
        whole = _WHOLE.match(raw, at, at + WINDOW)
        assert whole  # it matches the empty string
        count += _STRINGS.sub(b"", whole[0]).count(b",")
        cut = whole.end()
        at = cut if cut > at else string_end(raw, at)
    return count


def _field(raw: bytes, start: int) -> str:
    """Return the name of the top-level field whose value begins at a bracket."""
    found = _KEY.search(raw, max(0, start - 100), start)
    return found[1].decode() if found else "the body"


def check(body: Body, raw: bytes, bounds: JsonBounds) -> None:
    """Refuse a parsed body that is nested too deeply, or has too many messages, blocks or tools."""
    if _may_be_deep(body, raw, bounds.depth):
        check_depth(body, bounds)
    if len(raw) > bounds.messages * 2:  # a list of so many items takes more
        check_counts(body, bounds)


def _may_be_deep(body: Body, raw: bytes, depth: int) -> bool:
    """Say whether the levels have to be counted: not where there are too few bytes, and not where orjson writes all."""
    if len(raw) <= 2 * depth:
        return False
    if len(raw) > WRITTEN or depth < WRITABLE:
        return len(raw) > WINDOW or raw.count(b"[") + raw.count(b"{") > depth
    try:
        orjson.dumps(body)
    except orjson.JSONEncodeError:
        return True
    return False


def check_depth(value: Any, bounds: JsonBounds, where: str = "the body") -> None:
    """Refuse what is nested too deeply; level by level, without recursion."""
    level, depth = [value] if isinstance(value, dict | list) else [], 0
    while level:
        depth += 1
        if depth > bounds.depth:
            raise bounds.too_deep(where)
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]


def check_counts(body: Body, bounds: JsonBounds) -> None:
    """Refuse lists that are too long: messages, blocks of all of them together, tools."""
    for name in (*TURNS, *OTHERS):
        found = body.get(name)
        if isinstance(found, list) and len(found) > bounds.messages:
            raise bounds.too_many(name)
    declared = body.get("tools")
    blocks = sum(map(_declarations, declared)) if isinstance(declared, list) else 0
    if blocks > bounds.messages:
        raise bounds.too_many("tools.functionDeclarations")
    for name in TURNS:
        found = body.get(name)
        if not isinstance(found, list):
            continue
        for field in BLOCKS:
            lists = [inner for each in found if type(each) is dict and type(inner := each.get(field)) is list]
            if sum(map(len, lists)) > bounds.messages:
                raise bounds.too_many(f"{name}.{field}", "items in all")


def _declarations(tool: Any) -> int:
    if not isinstance(tool, dict):
        return 0
    found = tool.get("functionDeclarations") or tool.get("function_declarations")
    return len(found) if isinstance(found, list) else 0
