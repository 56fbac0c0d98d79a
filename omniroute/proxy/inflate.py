"""Undo a content encoding piece by piece, for an upstream that compresses although identity was asked for."""

import sys
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

type Inflate = Callable[[bytes], bytes]


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
