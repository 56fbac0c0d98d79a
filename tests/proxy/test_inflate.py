import gzip
import itertools
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.proxy.inflate import inflater, zstd


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


@pytest.mark.parametrize("encoding", PACK)
def test_what_follows_the_end_is_no_crash(encoding: str) -> None:
    inflate = inflater(encoding)
    assert inflate
    assert inflate(PACK[encoding](b"all")) == b"all"
    try:
        assert inflate(b"more") == b""
    except zlib.error:
        assert True
