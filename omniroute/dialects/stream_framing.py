"""Finds out from its first bytes how a reply is framed, and whether it is a stream at all."""

from collections.abc import Iterator

from omniroute.dialects import json_array, sse
from omniroute.dialects.sse import Frame

FIELDS = (b":", b"data:", b"event:", b"id:", b"retry:")
IGNORED = sse.BOM + b" \t\r\n"
MAX_STRAY = 64 * 1024
"""Bytes that are kept of what is no stream: enough for any error that is worth reading."""

PIECE = 4096
"""Bytes of a chunk that are read at a time where it is crowded."""
CROWDED = 1024
"""Lines in a chunk, or objects in a piece of an array, from which on it is read in pieces."""


class Framing:
    """Frames a stream of events or, with `arrays`, a growing JSON array.

    What is neither (a page, a lone JSON object) gives no frames and is kept in `stray`.
    """

    def __init__(self, *, arrays: bool) -> None:
        self.stray: bytes | None = None
        self._arrays = arrays
        self._head = bytearray()
        self._decoder: sse.Decoder | json_array.Decoder | None = None

    @property
    def error(self) -> str | None:
        return self._decoder.error if self._decoder else None

    @property
    def is_array(self) -> bool:
        return isinstance(self._decoder, json_array.Decoder)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Cut a chunk so that the frames of each piece are little work: 64 KB may hold twenty thousand."""
        crowd = chunk.count(b"{") if self.is_array else chunk.count(b"\n") + chunk.count(b"\r")
        if crowd <= CROWDED:
            yield chunk
            return
        for start in range(0, len(chunk), PIECE):
            yield chunk[start : start + PIECE]

    def feed(self, chunk: bytes) -> list[Frame]:
        if self._decoder is not None:
            return self._decoder.feed(chunk)
        if self.stray is not None:
            self.stray += chunk[: MAX_STRAY - len(self.stray)]
            return []
        self._head += chunk
        return self._begin(self._head.lstrip(IGNORED))

    def finish(self) -> list[Frame]:
        if self._decoder is not None:
            return self._decoder.finish()
        if self._head.strip(IGNORED):
            self.stray = self.stray or bytes(self._head[:MAX_STRAY])
        return []

    def _begin(self, start: bytearray) -> list[Frame]:
        if self._arrays and start.startswith(b"["):
            self._decoder = json_array.Decoder()
        elif start.startswith(FIELDS) or len(self._head) > MAX_STRAY > len(start):
            self._decoder = sse.Decoder()
        elif not any(field.startswith(start) for field in FIELDS):
            self.stray = bytes(self._head[:MAX_STRAY])
            return []
        else:
            return []
        return self._decoder.feed(bytes(self._head))
