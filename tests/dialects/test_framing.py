"""Which framing a reply has, and the growing arrays of Gemini."""

import itertools
import json

import orjson
import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects import json_array, stream_framing
from omniroute.dialects.sse import Frame
from omniroute.dialects.stream_framing import Framing

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\\[]{},:ö\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"]{\\', max_size=3), inner, max_size=3),
)
ELEMENTS = st.lists(st.dictionaries(st.text('a"]{\\', max_size=3), JSON, max_size=3), max_size=4)
CUTS = st.lists(st.integers(0, 300), max_size=8)


def frames_of(pieces: list[bytes], *, arrays: bool = True) -> list[Frame]:
    reader = Framing(arrays=arrays)
    return [frame for piece in pieces for frame in reader.feed(piece)] + reader.finish()


def cut(wire: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(i, len(wire)) for i in at), len(wire)]
    return [wire[a:b] for a, b in itertools.pairwise(edges)]


@given(ELEMENTS, st.sampled_from([None, 1]), st.booleans(), CUTS)
def test_every_element_of_an_array_is_a_frame(elements: list, indent: int | None, plain: bool, cuts: list[int]) -> None:
    wire = (json.dumps(elements, indent=indent, ensure_ascii=plain) + "\r\n").encode()
    frames = frames_of(cut(wire, cuts))
    assert [orjson.loads(frame.data) for frame in frames if frame.data] == elements
    assert b"".join(frame.raw for frame in frames) == wire


@given(st.text('[]{}",\\a\n', max_size=60), CUTS)
def test_junk_in_an_array_neither_raises_nor_vanishes(junk: str, cuts: list[int]) -> None:
    wire = b"[" + junk.encode()
    frames = frames_of(cut(wire, cuts))
    assert frames == frames_of([wire])
    assert b"".join(frame.raw for frame in frames) == wire


def test_an_element_comes_as_soon_as_it_is_whole() -> None:
    reader = Framing(arrays=True)
    assert [frame.data for frame in reader.feed(b'[{"a":1}')] == ['{"a":1}']
    assert reader.is_array


def test_an_endless_element_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "MAX_LINE", 50)
    reader = Framing(arrays=True)
    assert [frame.data for frame in reader.feed(b'[{"a":1},{"b":"')] == ['{"a":1}']
    assert [frame for _ in range(9) for frame in reader.feed(b"xxxxxxxx")] == []
    assert "longer than 50 bytes" in str(reader.error)
    assert reader.feed(b'"}]') == reader.finish() == []


@every("wire", [b"<html>no", b' \n{"error":{}}', b"[1]", b"upstream said no", b"data", b"dat: a\n\n"])
def test_what_is_no_stream_is_kept_apart(wire: bytes) -> None:
    for pieces in ([wire], [wire[i : i + 1] for i in range(len(wire))]):
        reader = Framing(arrays=False)
        assert [frame for piece in pieces for frame in reader.feed(piece)] + reader.finish() == []
        assert reader.stray == wire


def test_of_what_is_no_stream_only_the_beginning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_framing, "MAX_STRAY", 20)
    reader = Framing(arrays=False)
    for _ in range(9):
        reader.feed(b"<br>words")
    assert reader.stray == b"<br>words<br>words<b"


@pytest.mark.parametrize("wire", [b": hi\n\n", b"\n\ndata: a\n\n", b"retry: 1\n\n", b"\xef\xbb\xbfid: 4\ndata: a\n\n"])
def test_a_stream_is_known_by_its_first_field(wire: bytes) -> None:
    reader = Framing(arrays=False)
    frames = [frame for i in range(len(wire)) for frame in reader.feed(wire[i : i + 1])] + reader.finish()
    assert b"".join(frame.raw for frame in frames) == wire
    assert reader.stray is None


@pytest.mark.parametrize("wire", [b"", b"\n", b"  \r\n"])
def test_nothing_is_no_stray(wire: bytes) -> None:
    reader = Framing(arrays=False)
    assert reader.feed(wire) + reader.finish() == []
    assert reader.stray is None
