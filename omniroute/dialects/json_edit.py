"""JSON as it goes out: compact, in UTF-8, and possible for everything that JSON can hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from omniroute.dialects.ir import Body


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


STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
KEY = re.compile(rb"[\s,]*+(" + STRING + rb")\s*+:\s*+", re.DOTALL)
SCALAR = re.compile(STRING + rb"|[^\s,{}\[\]]++", re.DOTALL)
BRACKET = re.compile(rb'(?:[^"{}\[\]]++|' + STRING + rb")*+([{}\[\]])", re.DOTALL)
COLON = re.compile(rb"\s*+:\s*+")
ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
USAGE_WANTED = b'"stream_options":{"include_usage":true}'


def set_model(raw: bytes, body: Body, model: str) -> bytes:
    """Put `model` where the top-level `model` stands; a body without one (Gemini's) stays as it is."""
    if "model" not in body or body["model"] == model:
        return raw
    return _replace(raw, body, "model", model)


def asks_usage(body: Body) -> bool:
    """Say whether the client asks for the usage chunk itself, or says something only the upstream can judge."""
    options = body.get("stream_options") or {}
    return not isinstance(options, dict) or options.get("include_usage") is True


def add_stream_usage(raw: bytes, body: Body) -> bytes:
    """Ask for the usage chunk: in the `stream_options` that are there, else at the end, behind any cached prefix."""
    if "stream_options" in body:
        return _replace(raw, body, "stream_options", {**(body["stream_options"] or {}), "include_usage": True})
    end = raw.rindex(b"}")
    return raw[:end] + (b"," if body else b"") + USAGE_WANTED + raw[end:]


def _replace(raw: bytes, body: Body, key: str, value: object) -> bytes:
    start = find_value(raw, key, body[key])
    return raw[:start] + orjson.dumps(value) + raw[value_end(raw, start) :]


def find_value(raw: bytes, key: str, value: object) -> int:
    """Say where the value of a top-level key begins; of keys that stand there twice the last one counts."""
    spelled = b'"%b"' % key.encode()
    # The first search is the quick one: for a single byte.
    if not (b"\\" in raw and b"\\u00" in raw and ESCAPED_LETTER.search(raw)):
        # Every key of this name, in any depth, is among these; mostly only one has the value that was read.
        starts = list(_spelled(raw, spelled))
        if len(starts) > 1:
            starts = [start for start in starts if orjson.loads(raw[start : value_end(raw, start)]) == value]
        if len(starts) == 1:
            return starts[0]
    return [start for name, start in _members(raw) if name == spelled or orjson.loads(name) == key][-1]


def _spelled(raw: bytes, spelled: bytes) -> Iterator[int]:
    """Find where values begin whose key is spelled so, in any depth."""
    at = raw.find(spelled)
    while at >= 0:
        colon = COLON.match(raw, at + len(spelled))
        # Behind a backslash the quote is the last one inside some string.
        if colon and raw[at - 1 : at] != b"\\":
            yield colon.end()
        at = raw.find(spelled, at + len(spelled))


def _members(raw: bytes) -> Iterator[tuple[bytes, int]]:
    """Give each top-level key as it is spelled, and where its value begins."""
    at = raw.index(b"{") + 1
    while member := KEY.match(raw, at):
        yield member[1], member.end()
        at = value_end(raw, member.end())


def value_end(raw: bytes, start: int) -> int:
    """Say where the value ends that begins at `start`."""
    if scalar := SCALAR.match(raw, start):
        return scalar.end()
    depth, at = 0, start
    while (bracket := BRACKET.match(raw, at)) is not None:
        at = bracket.end()
        depth += 1 if bracket[1] in b"{[" else -1
        if depth == 0:
            break
    return at


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
    members = [*_member_spans(raw, start)]
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


def _member_spans(raw: bytes, start: int) -> Iterator[Member]:
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
