"""Saying the difference between two objects in the bytes of the first one, and leaving every other byte as it was.

Where a text grows at its front or a list gets new members, only what is new is written: what a provider has cached
of the rest stays what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from omniroute.dialects.ir import Body
from omniroute.dialects.jsonish import dump
from omniroute.dialects.patch import KEY, find_value, value_end

GAP = re.compile(rb"[\s,]*+")


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member of an object stands."""

    key: str
    begin: int
    value: int
    end: int


type Splice = tuple[int, int, bytes]
"""From where to where there is something else."""


def rewrite(raw: bytes, before: Body, after: Body) -> bytes:
    """Write `after` over `raw`, which says `before`."""
    out, at = [], 0
    changes = (
        _of_top(raw, before, after)
        if before.keys() <= after.keys()
        else _of_object(raw, raw.index(b"{"), before, after)
    )
    for start, end, said in sorted(changes, key=lambda splice: splice[:2]):
        out += [raw[at:start], said]
        at = end
    return b"".join((*out, raw[at:]))


def _of_top(raw: bytes, before: Body, after: Body) -> Iterator[Splice]:
    """Say what is changed and what is new, without reading through all that is neither."""
    for key, value in before.items():
        if value is not after[key] and value != after[key]:
            yield from _changes(raw, find_value(raw, key, value), value, after[key])
    if new := [dump(key) + b":" + dump(value) for key, value in after.items() if key not in before]:
        end = raw.rindex(b"}")
        yield end, end, b"," * bool(before) + b",".join(new)


def _changes(raw: bytes, start: int, before: Any, after: Any) -> Iterator[Splice]:
    if before is after or (type(before) is type(after) and before == after):
        return
    match before, after:
        case dict(), dict():
            yield from _of_object(raw, start, before, after)
        case list(), list() if len(before) == len(after):
            last = max(
                (at for at, pair in enumerate(zip(before, after, strict=True)) if pair[0] is not pair[1]), default=-1
            )
            for at, place in zip(range(last + 1), _items(raw, start), strict=False):
                yield from _changes(raw, place, before[at], after[at])
        case list(), list() if (new := _put_in(before, after)) is not None:
            said = b",".join(dump(item) for item in after[new : new + len(after) - len(before)])
            places = [*islice(_items(raw, start), new + 1)]
            if new < len(places):
                yield places[new], places[new], said + b","
            else:
                end = value_end(raw, places[-1]) if places else start + 1
                yield end, end, b"," * bool(places) + said
        case str(), str() if before and after.endswith(before):
            yield start + 1, start + 1, dump(after.removesuffix(before))[1:-1]
        case _:
            yield start, value_end(raw, start), dump(after)


def _put_in(before: list[Any], after: list[Any]) -> int | None:
    """Say where a run of new items stands, if that is all the difference."""
    more = len(after) - len(before)
    if more < 0:
        return None
    at = next((i for i, item in enumerate(before) if item is not after[i] and item != after[i]), len(before))
    return at if after[at + more :] == before[at:] else None


def _of_object(raw: bytes, start: int, before: Body, after: Body) -> Iterator[Splice]:
    members = [*_members(raw, start)]
    last = {member.key: member for member in members}  # of those that stand there twice the last one counts
    kept = [member for member in members if member.key in after]
    for member in kept:
        if last[member.key] is member:
            yield from _changes(raw, member.value, before[member.key], after[member.key])
    end = kept[-1].end if kept else start + 1
    new = b",".join(dump(key) + b":" + dump(value) for key, value in after.items() if key not in before)
    if new:
        yield end, end, b"," * bool(kept) + new
    for at, member in enumerate(members):
        if member.key not in after and member.end > end and kept:
            yield end, members[-1].end, b""  # with the comma before it
            break
        if member.key not in after:
            yield member.begin, members[at + 1].begin if at + 1 < len(members) else member.end, b""


def _members(raw: bytes, start: int) -> Iterator[Member]:
    at = start + 1
    while found := KEY.match(raw, at):
        at = value_end(raw, found.end())
        yield Member(orjson.loads(found[1]), found.start(1), found.end(), at)


def _items(raw: bytes, start: int) -> Iterator[int]:
    """Give where each item of an array begins."""
    at = start + 1
    while True:
        gap = GAP.match(raw, at)
        assert gap
        if raw[gap.end() : gap.end() + 1] in (b"]", b""):
            return
        yield gap.end()
        at = value_end(raw, gap.end())
