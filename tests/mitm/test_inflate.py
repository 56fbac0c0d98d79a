import gzip
import itertools
import zlib

import brotli
import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.mitm.decompress import PIECE, in_pieces, inflater, zstd


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACK = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    " Deflate ": raw_deflate,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("encoding", PACK)
@given(data=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=5))
def test_what_was_packed_comes_out_wherever_it_is_cut(encoding: str, data: bytes, cuts: list[int]) -> None:
    packed = PACK[encoding](data)
    inflate = inflater(encoding)
    assert inflate
    at = [0, *sorted(cuts), len(packed)]
    assert b"".join(inflate(packed[i:j]) for i, j in itertools.pairwise(at)) == data


@pytest.mark.parametrize("encoding", PACK)
@given(junk=st.binary(min_size=1, max_size=300))
def test_junk_gives_bytes_or_one_kind_of_error(encoding: str, junk: bytes) -> None:
    inflate = inflater(encoding)
    assert inflate
    try:
        assert isinstance(inflate(junk), bytes)
    except zlib.error:
        assert True


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate"])
def test_prose_is_an_error(encoding: str) -> None:
    inflate = inflater(encoding)
    assert inflate
    with pytest.raises(zlib.error):
        inflate(b"once upon a time there was a reply" * 10)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_stream_comes_out_as_it_is_flushed(encoding: str) -> None:
    """A piece must not wait for the next one: a person reads along."""
    match encoding:
        case "br":
            packer = brotli.Compressor()
            first = packer.process(b"first") + packer.flush()
        case "zstd":
            packer = zstd.ZstdCompressor()
            first = packer.compress(b"first", packer.FLUSH_BLOCK)
        case _:
            packer = zlib.compressobj(wbits=zlib.MAX_WBITS | (16 if encoding == "gzip" else 0))
            first = packer.compress(b"first") + packer.flush(zlib.Z_SYNC_FLUSH)
    inflate = inflater(encoding)
    assert inflate
    assert inflate(first) == b"first"


def test_a_zstd_stream_may_be_of_many_frames() -> None:
    inflate = inflater("zstd")
    assert inflate
    assert [inflate(PACK["zstd"](piece)) for piece in (b"one", b"two")] == [b"one", b"two"]


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_nothing_to_undo(encoding: str) -> None:
    assert inflater(encoding) is None


@pytest.mark.parametrize("encoding", ["compress", "gzip, br", "gzip;q=1", "x"])
def test_an_unknown_encoding_is_named(encoding: str) -> None:
    with pytest.raises(ValueError, match="unknown content encoding") as said:
        inflater(encoding)
    assert encoding in str(said.value)


@every("encoding", PACK)
def test_what_follows_the_end_is_no_crash(encoding: str) -> None:
    inflate = inflater(encoding)
    assert inflate
    assert inflate(PACK[encoding](b"all")) == b"all"
    try:
        assert inflate(b"more") == b""
    except zlib.error:
        assert True


@pytest.mark.parametrize("encoding", PACK)
@given(data=st.binary(max_size=2000), copies=st.integers(1, 200), cuts=st.lists(st.integers(0, 2000), max_size=5))
def test_pieces_are_the_whole_and_each_is_bounded(encoding: str, data: bytes, copies: int, cuts: list[int]) -> None:
    packed = PACK[encoding](data * copies)
    inflate = in_pieces(encoding)
    assert inflate
    at = [0, *sorted(min(c, len(packed)) for c in cuts), len(packed)]
    pieces = [piece for i, j in itertools.pairwise(at) for piece in inflate(packed[i:j])]
    assert b"".join(pieces) == data * copies
    assert max(map(len, pieces), default=0) <= 2 * PIECE


@pytest.mark.parametrize("encoding", PACK)
@given(junk=st.binary(min_size=1, max_size=300))
def test_pieces_of_junk_are_bytes_or_one_kind_of_error(encoding: str, junk: bytes) -> None:
    inflate = in_pieces(encoding)
    assert inflate
    try:
        assert isinstance(b"".join(inflate(junk)), bytes)
    except zlib.error:
        assert True


@every("encoding", PACK)
def test_a_bomb_is_unfolded_only_as_far_as_it_is_read(encoding: str) -> None:
    for size in (200_000, 8_000_000):
        packed = PACK[encoding](bytes(size))
        inflate, again = in_pieces(encoding), in_pieces(encoding)
        assert inflate
        assert again
        assert 0 < len(next(inflate(packed))) <= 2 * PIECE
        assert sum(map(len, again(packed))) == size
        slowly = in_pieces(encoding)
        assert slowly
        assert sum(len(piece) for byte in packed for piece in slowly(bytes([byte]))) == size


def test_several_frames_of_zstd_in_pieces() -> None:
    inflate = in_pieces("zstd")
    assert inflate
    assert b"".join(inflate(zstd.compress(b"a" * 200_000) + zstd.compress(b"b"))) == b"a" * 200_000 + b"b"
    assert b"".join(inflate(zstd.compress(b"c"))) == b"c"


def test_encodings_without_pieces() -> None:
    assert in_pieces("identity") is None
    with pytest.raises(ValueError, match="rot13"):
        in_pieces("rot13")
