"""Changing one value of a JSON object and leaving every other byte as it was.

Providers cache prompts by their prefix, byte for byte, so a request that only changes its model's name must
not be written anew. The functions take a text together with what it was read as, and trust that they agree.
"""

import re
from collections.abc import Iterator

import orjson

from omniroute.dialects.ir import Body

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
