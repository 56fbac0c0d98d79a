"""A JSON array that grows: how Gemini streams to a client that does not ask for server-sent events."""

import re

from omniroute.dialects.sse import MAX_LINE, Frame

TOKEN = re.compile(rb'["\\{}\[\]]')


class Decoder:
    """Takes bytes cut anywhere; gives each element of the outer array as a frame.

    A bracket, a comma or white space before an element belongs to its frame. The closing bracket is a frame
    that says nothing. Like its namesake for events it ends at a frame that is too long.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._held = bytearray()
        self._depth = 0
        self._element: int | None = None
        self._quoted = False
        self._escaped = False
        self._closed = False

    def feed(self, chunk: bytes) -> list[Frame]:
        frames: list[Frame] = []
        start, escaped = 0, 0 if self._escaped and chunk else -1
        self._escaped = self._escaped and not chunk
        for found in TOKEN.finditer(chunk):
            at, token = found.start(), found[0]
            if self.error or self._closed:
                break
            if at == escaped:
                continue
            if token == b"\\":
                escaped = at + 1
                self._escaped = escaped == len(chunk)
            elif token == b'"':
                self._quoted = not self._quoted
            elif not self._quoted and self._turns(token, len(self._held) + at - start):
                self._hold(chunk[start : at + 1])
                start = at + 1
                frames += self._frame()
        self._hold(chunk[start:])
        return frames

    def finish(self) -> list[Frame]:
        """Give what is left; half an element is given as it is, and its reader will find that it is cut."""
        return self._frame() if self._held else []

    def _turns(self, token: bytes, at: int) -> bool:
        """Count one bracket; True where it ends an element or the array."""
        if token in b"[{":
            self._depth += 1
            if self._depth == 2:
                self._element = at
            return False
        self._depth -= 1
        self._closed = self._depth == 0
        return self._depth <= 1

    def _hold(self, piece: bytes) -> None:
        if self.error:
            return
        self._held += piece
        if len(self._held) > MAX_LINE:
            self.error = f"an element of the stream is longer than {MAX_LINE} bytes"
            self._held.clear()

    def _frame(self) -> list[Frame]:
        if self.error:
            return []
        raw = bytes(self._held)
        data = b"" if self._element is None else raw[self._element :]
        self._held.clear()
        self._element = None
        return [Frame(None, data.decode("utf-8", "replace"), raw)]
