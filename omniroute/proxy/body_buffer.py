"""Collect a request body without a second copy of it: a large one is never joined on the event loop."""

from io import BytesIO


class BodyBuffer:
    """Takes the place of mitmproxy's `ReceiveBuffer`, which joins its pieces at the end.

    `BytesIO` grows in place, and gives its content as bytes without copying them.
    """

    def __init__(self) -> None:
        self._first = b""
        self._rest: BytesIO | None = None
        self._size = 0

    def __iadd__(self, piece: bytes) -> "BodyBuffer":
        if self._size == 0:
            self._first = piece
        else:
            if self._rest is None:
                self._rest = BytesIO()
                self._rest.write(self._first)
                self._first = b""
            self._rest.write(piece)
        self._size += len(piece)
        return self

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        return self._size > 0

    def __bytes__(self) -> bytes:
        return self._first if self._rest is None else self._rest.getvalue()

    def clear(self) -> None:
        """Drop all pieces."""
        self._first, self._rest, self._size = b"", None, 0
