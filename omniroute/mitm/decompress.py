"""Undo a content encoding piece by piece, for an upstream that compresses although identity was asked for."""

import sys
import zlib
from collections.abc import Callable, Iterator

import brotli  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

type Inflate = Callable[[bytes], bytes]
type Pieces = Callable[[bytes], Iterator[bytes]]

PIECE = 64 * 1024
"""Bytes that `in_pieces` gives at most at a time: a kilobyte of brotli may stand for gigabytes."""
FEW = 16
"""Bytes that are given at a time to a brotli that knows no limit."""


def inflater(encoding: str) -> Inflate | None:
    """Give a function for the pieces of one body; ValueError for an encoding that is not known here."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress
        case "deflate":
            return _deflate()
        case "br":
            return _guarded(brotli.Decompressor().process, brotli.error)
        case "zstd":
            return _guarded(_zstd(), zstd.ZstdError)
        case other:
            raise ValueError(f"an unknown content encoding {other!r}")


def in_pieces(encoding: str) -> Pieces | None:
    """Like `inflater`, with a function that gives the data in pieces of at most `PIECE` bytes, made one at a time."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _zlib_pieces(zlib.MAX_WBITS | 16)
        case "deflate":
            return _zlib_pieces(None)
        case "br":
            return _brotli_pieces()
        case "zstd":
            return _zstd_pieces()
        case other:
            raise ValueError(f"an unknown content encoding {other!r}")


def _zlib_pieces(wbits: int | None) -> Pieces:
    machine = zlib.decompressobj(wbits) if wbits is not None else None

    def pieces(data: bytes) -> Iterator[bytes]:
        nonlocal machine
        if machine is None and data:
            machine = zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)
        while machine:
            out = machine.decompress(data, PIECE)
            yield out
            data = machine.unconsumed_tail
            if not data and len(out) < PIECE:
                return

    return pieces


def _brotli_pieces() -> Pieces:
    machine = brotli.Decompressor()
    limited = hasattr(machine, "can_accept_more_data")  # from brotli 1.2 on

    def pieces(data: bytes) -> Iterator[bytes]:
        try:
            if not limited:
                for start in range(0, len(data), FEW):
                    yield machine.process(data[start : start + FEW])
                return
            yield (out := machine.process(data, output_buffer_limit=PIECE))
            while len(out) >= PIECE or not machine.can_accept_more_data():
                yield (out := machine.process(b"", output_buffer_limit=PIECE))
        except brotli.error as exc:
            raise zlib.error(str(exc)) from exc

    return pieces


def _zstd_pieces() -> Pieces:
    frame = zstd.ZstdDecompressor()

    def pieces(data: bytes) -> Iterator[bytes]:
        nonlocal frame
        try:
            while True:
                if frame.eof:
                    data = frame.unused_data or data
                    if not data:
                        return
                    frame = zstd.ZstdDecompressor()
                yield frame.decompress(data, PIECE)
                data = b""
                if not frame.eof and frame.needs_input:
                    return
        except zstd.ZstdError as exc:
            raise zlib.error(str(exc)) from exc

    return pieces


def _deflate() -> Inflate:
    """Take both forms that are called deflate: with the zlib wrapper, and raw as some servers send it."""
    machine: zlib._Decompress | None = None

    def inflate(piece: bytes) -> bytes:
        nonlocal machine
        if machine is None and piece:
            wrapped = piece[0] & 0x0F == 8
            machine = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return machine.decompress(piece) if machine else b""

    return inflate


def _zstd() -> Inflate:
    """Decompress a sequence of frames: some servers end a frame at every flush (RFC 8878, 3)."""
    frame = zstd.ZstdDecompressor()

    def inflate(piece: bytes) -> bytes:
        nonlocal frame
        out = []
        while piece:
            if frame.eof:
                frame = zstd.ZstdDecompressor()
            out.append(frame.decompress(piece))
            piece = frame.unused_data
        return b"".join(out)

    return inflate


def _guarded(inflate: Inflate, error: type[Exception]) -> Inflate:
    def guarded(piece: bytes) -> bytes:
        try:
            return inflate(piece)
        except error as exc:
            raise zlib.error(str(exc)) from exc

    return guarded
