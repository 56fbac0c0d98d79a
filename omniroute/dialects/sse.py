"""Server-sent events: bytes in, frames out. It frames only; what a frame means is its dialect's business."""

import re
from dataclasses import dataclass

MAX_LINE = 8 * 1024 * 1024
"""Bytes that may be held for one frame, and so for any of its lines."""

BOM = b"\xef\xbb\xbf"
BLANK = (b"\n", b"\r\n", b"\r")

FEW = 64
"""Lines of a chunk that is never searched for long runs of comments and blank lines."""
MANY = 16
"""Comments and surplus blank lines in a chunk from which on they are read as runs."""
_START = rb"(?:\A|(?<=\n)|(?<=\r)(?!\n))"
_END = rb"(?:\r\n|\n|\r(?!\Z))"
RUN = re.compile(rb"%b(?:(?::[^\r\n]*+)?+%b){4,}+" % (_START, _END))
"""Comments and blank lines. A CR at the very end may belong to an LF that is yet to come."""
BLANK_LINE = re.compile(rb"%b%b" % (_START, _END))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came: everything up to and including its blank line."""

    event: str | None
    data: str
    """Empty where the frame says nothing: comments, a lone `retry:`, surplus blank lines."""
    raw: bytes
    """The same bytes as on the wire; the frames of a stream joined are the stream.

    Of what says nothing, a long run is one frame.
    """


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
        if len(lines) > FEW and _idle_lines(chunk) >= MANY:
            return self._feed_runs(chunk)
        # A CR is held like half a line: the LF that belongs to it may be the next byte.
        half = None if lines[-1].endswith(b"\n") else lines.pop()
        frames = self._take(lines)
        if half is not None and not self.error:
            self._hold(half)
        return frames

    def _feed_runs(self, chunk: bytes) -> list[Frame]:
        """Take a chunk with long runs of comments and blank lines, each run at once."""
        frames, at = [], 0
        for run in RUN.finditer(chunk):
            frames += self._take(chunk[at : run.start()].splitlines(keepends=True))  # each has its end
            frames += self._feed_run(run[0])
            at = run.end()
        if at < len(chunk):  # too short to be a run
            lines = chunk[at:].splitlines(keepends=True)
            half = None if lines[-1].endswith(b"\n") else lines.pop()
            frames += self._take(lines)
            if half is not None and not self.error:
                self._hold(half)
        return frames

    def _feed_run(self, run: bytes) -> list[Frame]:
        """Take comments and blank lines without a look at each: only the first blank line can end a frame."""
        if self.error:
            return []
        self._first = False
        frames = []
        if self._raw:
            end = blank.end() if (blank := BLANK_LINE.search(run)) else len(run)
            self._raw += run[:end]
            if not self._check(len(self._raw)):
                return []
            frames = [self._frame()] if blank else []
            run = run[end:]
        return [*frames, Frame(None, "", run)] if run else frames

    def finish(self) -> list[Frame]:
        """Give what is left as a last frame, though its blank line or even its line end is missing."""
        frames = self._take(bytes(self._rest).splitlines(keepends=True))
        self._rest.clear()
        return [*frames, self._frame()] if self._raw else frames

    def _hold(self, piece: bytes) -> None:
        self._rest += piece
        self._check(len(self._raw) + len(self._rest))

    def _take(self, lines: list[bytes]) -> list[Frame]:
        frames: list[Frame] = []
        if self.error:
            return frames
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


def _idle_lines(chunk: bytes) -> int:
    """Count lines that say nothing, roughly: comments, and blank lines behind blank lines."""
    return sum(map(chunk.count, (b"\n:", b"\r:", b"\n\n\n", b"\r\r\r", b"\n\r\n\r\n")))
