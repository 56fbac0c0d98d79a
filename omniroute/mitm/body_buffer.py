"""Collect a request body without a second copy of it: a large one is never joined on the event loop."""

from io import BytesIO

SPILL = 1024 * 1024
"""Bytes up to which joining pieces at the end costs less than growing in place."""


class BodyBuffer:
    """Takes the place of mitmproxy's `ReceiveBuffer`, which joins its pieces at the end.

    `BytesIO` grows in place, and gives its content as bytes without copying them.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._large: BytesIO | None = None
        self._size = 0

    def __iadd__(self, piece: bytes) -> "BodyBuffer":
        self._size += len(piece)
        if self._large is not None:
            self._large.write(piece)
            return self
        self._pieces.append(piece)
        if self._size > SPILL:
            self._large = BytesIO()
            self._large.writelines(self._pieces)
            self._pieces.clear()
        return self

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        return self._size > 0

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces) if self._large is None else self._large.getvalue()

    def clear(self) -> None:
        """Drop all pieces."""
        self._pieces, self._large, self._size = [], None, 0
