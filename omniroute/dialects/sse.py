"""Server-sent events: bytes in, frames out. It frames only; what a frame means is its dialect's business."""

from dataclasses import dataclass

MAX_LINE = 8 * 1024 * 1024
"""Bytes that may be held for one frame, and so for any of its lines."""

BOM = b"\xef\xbb\xbf"
BLANK = (b"\n", b"\r\n", b"\r")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came: everything up to and including its blank line."""

    event: str | None
    data: str
    """Empty where the frame says nothing: comments, a lone `retry:`, surplus blank lines."""
    raw: bytes
    """The same bytes as on the wire; the frames of a stream joined are the stream."""


class Decoder:
    """Takes bytes cut anywhere, even inside a character; gives whole frames.

    A frame longer than `MAX_LINE` ends the work: `error` says so, and nothing is given any more.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._rest = bytearray()  # a line that has not ended
        self._raw = bytearray()  # the lines of a frame that has not ended
        self._data: list[bytes] = []
        self._event: bytes | None = None
        self._first = True

    def feed(self, chunk: bytes) -> list[Frame]:
        if self.error or not chunk:
            return []
        if self._rest:
            if b"\n" not in chunk and b"\r" not in chunk and self._rest[-1:] != b"\r":
                self._hold(chunk)
                return []
            chunk = bytes(self._rest) + chunk
            self._rest.clear()
        lines = chunk.splitlines(keepends=True)
        # A CR is held like half a line: the LF that belongs to it may be the next byte.
        half = None if lines[-1].endswith(b"\n") else lines.pop()
        frames = self._take(lines)
        if half is not None and not self.error:
            self._hold(half)
        return frames

    def finish(self) -> list[Frame]:
        """Give what is left as a last frame, though its blank line or even its line end is missing."""
        frames = self._take(bytes(self._rest).splitlines(keepends=True))
        self._rest.clear()
        return [*frames, self._frame()] if self._raw else frames

    def _hold(self, piece: bytes) -> None:
        self._rest += piece
        self._check(len(self._raw) + len(self._rest))

    def _take(self, lines: list[bytes]) -> list[Frame]:
        frames = []
        for line in lines:
            self._raw += line
            if not self._check(len(self._raw)):
                break
            if line in BLANK:
                frames.append(self._frame())
            else:
                self._field(line)
        return frames

    def _field(self, line: bytes) -> None:
        if self._first:
            line = line.removeprefix(BOM)
            self._first = False
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._event = value.removeprefix(b" ")

    def _frame(self) -> Frame:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        event = self._event.decode("utf-8", "replace") if self._event else None
        frame = Frame(event, data.decode("utf-8", "replace"), bytes(self._raw))
        self._clear()
        return frame

    def _check(self, size: int) -> bool:
        if size > MAX_LINE:
            self.error = f"an event of the stream is longer than {MAX_LINE} bytes"
            self._rest.clear()
            self._clear()
        return self.error is None

    def _clear(self) -> None:
        self._raw.clear()
        self._data = []
        self._event = None
