"""The same dialect on both sides of a stream: every frame passes as it came, and is only watched."""

import re

from omniroute.dialects.dialect import NOTHING, Dialect, FrameSignal
from omniroute.dialects.ir import Fault
from omniroute.dialects.sse import Frame

COMMENT = re.compile(rb"(?:^|(?<=[\r\n])):[^\r\n]*(?:\r\n?|\n|$)")


class PassthroughStream:
    """Does for one dialect what a translator does between two."""

    def __init__(self, dialect: Dialect, *, hides_usage: bool) -> None:
        self._dialect = dialect
        self._hides_usage = hides_usage
        # Gemini clients take a comment for a broken stream.
        self._strips_comments = dialect.name == "gemini"
        self._first: Frame | None = None
        self._last: Frame | None = None
        self.ending = b""
        """The frame that made the reply whole."""

    def feed(self, frame: Frame) -> tuple[bytes, FrameSignal]:
        """Give the client's bytes and what they mean; ValueError for what is not the dialect."""
        sign = NOTHING
        if frame.data:
            sign = self._dialect.watch(frame)
            if sign.fault is None:
                self._first, self._last = self._first or frame, frame
        if sign.done:
            self.ending = frame.raw
        if sign.only_usage and self._hides_usage:
            return b"", sign
        return self._without_comments(frame) if self._strips_comments else frame.raw, sign

    def finish(self) -> bytes:
        return b""

    @property
    def ended(self) -> bool:
        """Whether the reply is whole is told by its signs."""
        return True

    def fail(self, fault: Fault) -> bytes:
        return self._dialect.write_fault(fault, self._first, self._last)

    def _without_comments(self, frame: Frame) -> bytes:
        raw = frame.raw
        if not (raw.startswith(b":") or b"\n:" in raw or b"\r:" in raw):
            return raw
        rest = COMMENT.sub(b"", raw)
        return rest if rest.strip() else b""
