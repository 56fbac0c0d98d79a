"""The framing of server-sent events: the same frames wherever the network cuts."""

import itertools

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects import sse
from omniroute.dialects.sse import Decoder, Frame

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINES = st.sampled_from([b"", b"", b"data: a", b"data:b", b"data:", b"data", b"data:  c", b"event: e", b"event:"]) | (
    st.sampled_from([b": note", b":", b"id: 7", b"retry: 5", b"what: ever", "data: ö🌧".encode(), b"data: \xff\xc3"])
)
STREAMS = st.lists(st.tuples(LINES, ENDS).map(b"".join)).map(b"".join)
CUTS = st.lists(st.integers(0, 200), max_size=8)


def decode(pieces: list[bytes]) -> list[Frame]:
    decoder = Decoder()
    return [frame for piece in pieces for frame in decoder.feed(piece)] + decoder.finish()


def cut(wire: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(i, len(wire)) for i in at), len(wire)]
    return [wire[a:b] for a, b in itertools.pairwise(edges)]


def by_the_standard(wire: bytes) -> list[tuple[str | None, str]]:
    """The events of a whole text, read in the plainest way there is."""
    text = wire.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events = []
    for block in (text + "\n\n").split("\n\n"):
        event, data = None, []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                event = value or None
        if "".join(data) or len(data) > 1:
            events.append((event, "\n".join(data)))
    return events


@given(STREAMS, CUTS)
def test_cuts_change_nothing(wire: bytes, cuts: list[int]) -> None:
    assert decode(cut(wire, cuts)) == decode([wire])


@given(STREAMS, CUTS)
def test_frames_joined_are_the_stream(wire: bytes, cuts: list[int]) -> None:
    assert b"".join(frame.raw for frame in decode(cut(wire, cuts))) == wire


@given(STREAMS)
def test_frames_are_those_of_the_standard(wire: bytes) -> None:
    assert [(frame.event, frame.data) for frame in decode([wire]) if frame.data] == by_the_standard(wire)


@given(st.binary(max_size=300), CUTS)
def test_junk_neither_raises_nor_vanishes(wire: bytes, cuts: list[int]) -> None:
    assert b"".join(frame.raw for frame in decode(cut(wire, cuts))) == wire


def test_a_frame_comes_as_soon_as_its_blank_line_does() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\nda") == [Frame(None, "a", b"data: a\n\n")]


def test_a_cut_between_cr_and_lf_makes_no_blank_line() -> None:
    assert [frame.data for frame in decode([b"data: a\r", b"\ndata: b\r\n\r", b"\n"])] == ["a\nb"]


@pytest.mark.parametrize("wire", ["data: ö", "data: ö\n", "data: ö\n\n"])
def test_the_last_frame_may_lack_its_end(wire: str) -> None:
    assert decode([wire.encode()]) == [Frame(None, "ö", wire.encode())]


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert decode([b"\xef\xbb", b"\xbfdata: a\n\n"])[0].data == "a"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: ", *[b"x" * 10] * 10],  # one line
        [b"data: xxxxxxxxxx\n"] * 10,  # one frame of many lines
        [b": a comment\n"] * 10,
        [b"data: " + b"x" * 100 + b"\n\n"],  # whole, in one piece
    ],
)
def test_what_is_held_for_one_frame_is_bounded(pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_LINE", 90)
    for wire in (pieces, [b"".join(pieces)]):
        decoder = Decoder()
        good = decoder.feed(b"data: before\n\n")
        frames = [frame for piece in wire for frame in decoder.feed(piece)]
        assert [frame.data for frame in good] == ["before"]
        assert frames == []
        assert decoder.error is not None
        assert "longer than 90 bytes" in decoder.error
        assert decoder.feed(b"\n\ndata: after\n\n") == decoder.finish() == []


def test_the_bound_is_for_a_frame_and_not_for_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_LINE", 90)
    decoder = Decoder()
    assert len(decoder.feed(b"data: some words\n\n" * 100)) == 100
    assert decoder.error is None


# Long runs of comments and blank lines are read as such.

NOISE = st.lists(st.tuples(st.sampled_from([b"", b"", b":", b": note"]), ENDS).map(b"".join), max_size=40).map(b"".join)
NOISY = st.lists(NOISE | STREAMS, max_size=5).map(b"".join)


@given(NOISY, CUTS)
def test_runs_of_comments_change_no_event(wire: bytes, cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "FEW", 0)
        patch.setattr(sse, "MANY", 0)
        frames = decode(cut(wire, cuts))
    assert b"".join(frame.raw for frame in frames) == wire
    assert [(frame.event, frame.data) for frame in frames if frame.data] == by_the_standard(wire)


@every("unit", [b":\n", b": waiting\r\n", b"\n", b"\r\n", b"\r", b":\n\n", b":\r"])
def test_a_million_comments_are_a_handful_of_frames(unit: bytes) -> None:
    decoder = Decoder()
    wire = unit * 1_000_000
    frames = [f for at in range(0, len(wire), 65_536) for f in decoder.feed(wire[at : at + 65_536])]
    frames += decoder.feed(b"data: a\n\n")
    assert len(frames) <= 3 * (len(wire) // 65_536 + 2)
    assert frames[-1].data == "a"
    assert decoder.error is None


def test_an_event_that_only_grows_by_comments_is_bounded() -> None:
    decoder = Decoder()
    decoder.feed(b"data: a\n")
    for _ in range(sse.MAX_LINE // 60_000 + 2):
        assert decoder.feed(b":\n" * 30_000) == []
    assert decoder.error is not None
