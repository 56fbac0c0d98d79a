"""A stream that is remembered, so that it can be told again from its beginning."""

from typing import Any

from omniroute.dialects.hub import Stream

MOST = 16 * 1024 * 1024
"""Bytes of a stream that are remembered."""


class StreamRecorder(Stream):
    """`record` is what the client was told; None once that is too much."""

    def __init__(self, client: str, upstream: str, **how: Any) -> None:
        super().__init__(client, upstream, **how)
        before = how.get("resumes")
        self.record: bytearray | None = before.record if isinstance(before, StreamRecorder) else bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the reply, cut anywhere."""
        return self._noted(super().feed(chunk))

    def finish(self) -> bytes:
        """Take the end of the upstream's reply."""
        return self._noted(super().finish())

    def _noted(self, out: bytes) -> bytes:
        if self.record is not None:
            self.record += out
            if len(self.record) > MOST:
                self.record = None
        return out
