"""HTTP/1 heads and chunked bodies, read strictly and within bounds (RFC 9112). No I/O.

A line may end with LF alone in a head, as RFC 9112 section 2.2 allows; in chunked framing only CRLF is accepted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
_REQUEST_LINE = rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]++) HTTP/1\.[01]\r?\n"
_REQUEST_FIELDS = rb"(?:" + _TOKEN + rb":" + _VALUE + rb"\r?\n)*+\r?\n"
_REQUEST = re.compile(_REQUEST_LINE + _REQUEST_FIELDS)
_STATUS_LINE = rb"HTTP/1\.[0-9] [1-9][0-9][0-9](?: " + _VALUE + rb")?\r?\n"
# Servers send names that are no tokens, such as `a/b`; visible characters do no harm.
_RESPONSE = re.compile(_STATUS_LINE + rb"(?:[\x21-\x39\x3b-\x7e]++:" + _VALUE + rb"\r?\n)*+\r?\n")
_FIRST_REQUEST_LINE = re.compile(_REQUEST_LINE)
_FIRST_STATUS_LINE = re.compile(_STATUS_LINE)
_HOSTS = re.compile(rb"\nhost:", re.IGNORECASE)
_LINE_ENDS = re.compile(rb"(?:\r?\n)*+")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_BAD_BYTE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_SPACE_BEFORE_COLON = re.compile(rb"\n[!-9;-~]+[ \t]+:")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16}+)[ \t]*+(?:;" + _VALUE + rb")?\r\n")
_CHUNK_BEGIN = re.compile(rb"[0-9A-Fa-f]{1,16}+(?:[ \t]*+(?:;" + _VALUE + rb")?\r?)?\Z")
_TRAILER = re.compile(_TOKEN + rb":" + _VALUE)

MAX_CHUNK_LINE = 4096
"""Bytes of one chunk header with its extensions."""
MAX_CHUNK_OVERHEAD = 16 * 1024
"""Bytes of chunk headers beyond what chunks of a usual size need: 16 bytes, and as many as the data of the chunk."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds of one head."""

    size: int
    """Bytes with the first line."""
    lines: int
    """Header lines, without the first line."""


class SyntaxViolation(Exception):
    """Bytes of a peer that are not valid HTTP/1, or exceed a bound. The message is fit for the peer."""

    def __init__(self, message: str, *, reason: str, status: int = 400) -> None:
        """`status` is the response to a client; `reason` is the label in metrics."""
        super().__init__(message)
        self.message, self.reason, self.status = message, reason, status


class ByteBuffer:
    """Received bytes; has the methods of h11's `ReceiveBuffer` that mitmproxy and h11's body readers call.

    Every search continues where the last one ended, so the cost is linear however the bytes are cut.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self._searched = 0
        self._lines = 0

    def __iadd__(self, data: bytes) -> "ByteBuffer":
        self.data += data
        return self

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __bytes__(self) -> bytes:
        return bytes(self.data)

    def maybe_extract_at_most(self, count: int) -> bytearray | None:
        """Take up to `count` bytes; None when there are none."""
        if not self.data:
            return None
        if count >= len(self.data):
            taken, self.data = self.data, bytearray()
        else:
            taken = self.data[:count]
            del self.data[:count]
        self._searched = self._lines = 0
        return taken

    def clear(self) -> None:
        """Drop everything."""
        self.data = bytearray()
        self._searched = self._lines = 0

    def skip_empty_lines(self) -> int:
        """Drop line ends before a request line (RFC 9112 section 2.2), and return how many bytes that were."""
        if self._searched or not self.data or self.data[0] not in b"\r\n":
            return 0
        size = _LINE_ENDS.match(self.data).end()  # type: ignore[union-attr]  # matches the empty string, too
        del self.data[:size]
        return size

    def take_head(self, limits: HeadLimits) -> bytes | None:
        """Take everything up to the first empty line; None when there is none yet.

        Raises `SyntaxViolation` as soon as the head cannot end within its limits any more.
        """
        match = _BLANK_LINE.search(self.data, max(0, self._searched - 2))
        end = match.end() if match else len(self.data)
        self._lines += self.data.count(b"\n", self._searched, end)
        self._searched = end
        if end > limits.size:
            raise SyntaxViolation(f"the head exceeds the limit of {limits.size} bytes", reason="head_size", status=431)
        # A head that is whole has two more line ends than header lines: those of its first and its empty line.
        if self._lines - (2 if match else 1) > limits.lines:
            raise SyntaxViolation(
                f"the head has more than the limit of {limits.lines} header lines", reason="head_lines", status=431
            )
        if match is None:
            return None
        head = bytes(self.data[:end])
        del self.data[:end]
        self._searched = self._lines = 0
        return head


def check_request_head(head: bytes) -> None:
    """Raise `SyntaxViolation` for a head that is not strictly HTTP/1.0 or HTTP/1.1."""
    match = _REQUEST.fullmatch(head)
    if match is None:
        raise _violation(head, _FIRST_REQUEST_LINE, "request")
    if match[1] == b"CONNECT":
        raise SyntaxViolation("CONNECT is not supported: the gateway is no forward proxy", reason="head_syntax")
    if len(_HOSTS.findall(head)) > 1:
        raise SyntaxViolation("the request has more than one Host header", reason="head_syntax")


def check_response_head(head: bytes) -> None:
    """Raise `SyntaxViolation` for the head of an upstream that must not be passed on."""
    if _RESPONSE.fullmatch(head) is None:
        raise _violation(head, _FIRST_STATUS_LINE, "response")


def _violation(head: bytes, first_line: re.Pattern[bytes], what: str) -> SyntaxViolation:
    if bad := _BAD_BYTE.search(head):
        byte = head[bad.start()]
        why = "a carriage return without a line feed" if byte == 13 else f"the control character 0x{byte:02x}"
        message = f"the {what} head contains {why}"
    elif first_line.match(head) is None:
        message = f"the first line of the {what} is not valid HTTP/1.1"
    elif b"\n " in head or b"\n\t" in head:
        message = f"the {what} head has a folded header line"
    elif _SPACE_BEFORE_COLON.search(head):
        message = f"the {what} head has a space between a header's name and its colon"
    else:
        message = f"the {what} head has a header line that is not valid"
    return SyntaxViolation(message, reason="head_syntax")


def split_lines(head: bytes) -> list[bytes]:
    """Split a head that was checked into its lines, without the empty one."""
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    del lines[-2:]
    return lines


class ChunkedDecoder:
    """Decodes a chunked body (RFC 9112 section 7.1). Trailers are checked and dropped."""

    def __init__(self, trailers: HeadLimits) -> None:
        self.ended = False
        self._limits = trailers
        self._left = 0
        """Bytes of the current chunk that are still to come."""
        self._end_due = False
        """The CRLF after the data of a chunk is still to come."""
        self._in_trailers = False
        self._overhead = 0
        self._trailer_size = self._trailer_lines = 0

    def feed(self, data: bytearray) -> bytes:
        """Consume what can be decoded from the front of `data`, and return the content in it."""
        return b"".join(self.pieces(data))

    def pieces(self, data: bytearray) -> Iterator[bytes]:
        """Consume as `feed` does, and give the content chunk by chunk; a violation comes after what precedes it."""
        at = 0
        try:
            while not self.ended and not self._in_trailers and at < len(data):
                if self._left:
                    piece = data[at : at + self._left]
                    at += len(piece)
                    self._left -= len(piece)
                    self._end_due = not self._left
                    yield bytes(piece)
                elif self._end_due:
                    if (end := data[at : at + 2]) == b"\r\n":
                        at += 2
                        self._end_due = False
                    elif end == b"\r":
                        break
                    else:
                        raise _bad_chunk("chunk data are not followed by CRLF")
                elif match := _CHUNK.match(data, at):
                    self._begin_chunk(match)
                    at = match.end()
                else:
                    self._check_chunk_begin(data[at : at + MAX_CHUNK_LINE + 1])
                    break
        finally:
            del data[:at]
        if self._in_trailers and not self.ended:
            self._read_trailers(data)

    def _begin_chunk(self, match: re.Match[bytes]) -> None:
        size, line = int(match[1], 16), match.end() - match.start()
        if line > MAX_CHUNK_LINE:
            raise _bad_chunk(f"a chunk header exceeds the limit of {MAX_CHUNK_LINE} bytes")
        self._overhead = max(0, self._overhead + line - 16 - size)
        if self._overhead > MAX_CHUNK_OVERHEAD:
            raise _bad_chunk("the chunk extensions are larger than the content")
        self._left = size
        self._in_trailers = not size

    def _check_chunk_begin(self, begin: bytearray) -> None:
        if len(begin) > MAX_CHUNK_LINE:
            raise _bad_chunk(f"a chunk header exceeds the limit of {MAX_CHUNK_LINE} bytes")
        if _CHUNK_BEGIN.match(begin) is None:
            raise _bad_chunk("a chunk header is not valid")

    def _read_trailers(self, data: bytearray) -> None:
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            line = bytes(data[at : end + 1])
            if not line.endswith(b"\r\n"):
                raise _bad_chunk("a trailer line does not end with CRLF")
            at = end + 1
            if len(line) == 2:
                self.ended = True
                break
            self._trailer_size += len(line)
            self._trailer_lines += 1
            self._check_trailers(0)
            if _TRAILER.fullmatch(line, 0, len(line) - 2) is None:
                raise _bad_chunk("a trailer line is not valid")
        del data[:at]
        if not self.ended:
            self._check_trailers(len(data))

    def _check_trailers(self, more: int) -> None:
        if self._trailer_size + more > self._limits.size or self._trailer_lines > self._limits.lines:
            raise SyntaxViolation("the trailers exceed the limits of a head", reason="head_size", status=431)


def _bad_chunk(message: str) -> SyntaxViolation:
    return SyntaxViolation(message, reason="chunk_syntax")
