"""Recognise health probes in the first bytes of a connection, so that they are answered without any queue."""

import re
from dataclasses import dataclass

PATHS = ("/healthz", "/readyz")
STARTS = tuple(f"{method} {path}".encode() for method in ("GET", "HEAD") for path in PATHS)
REQUEST_LINE = re.compile(rb"(GET|HEAD) (/healthz|/readyz)(?:\?[\x21-\x7e]*)? HTTP/1\.([01])")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x20-\x7e\t\x80-\xff])*)")
NOT_PLAIN = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"authorization", b"cookie"))
"""With one of these the request takes the usual way."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A health request, read whole."""

    path: str
    head_only: bool
    fields: tuple[tuple[bytes, bytes], ...]
    size: int
    """Bytes of the request."""
    keep_alive: bool


def read_probe(data: bytes) -> Probe | None:
    """Read a plain health request that stands whole in `data`; None for everything else."""
    if not data.startswith(STARTS) or (end := data.find(b"\r\n\r\n")) < 0:
        return None
    first, *lines = data[:end].split(b"\r\n")
    if (line := REQUEST_LINE.fullmatch(first)) is None:
        return None
    fields: list[tuple[bytes, bytes]] = []
    for text in lines:
        if (header := HEADER.fullmatch(text)) is None or header[1].lower() in NOT_PLAIN:
            return None
        fields.append((header[1], header[2].rstrip()))
    if sum(name.lower() == b"host" for name, _ in fields) != (line[3] == b"1"):
        return None
    options = b",".join(value for name, value in fields if name.lower() == b"connection").lower()
    keep_alive = b"close" not in options and (line[3] == b"1" or b"keep-alive" in options)
    return Probe(line[2].decode(), line[1] == b"HEAD", tuple(fields), end + 4, keep_alive)


def write_answer(probe: Probe, status: int, reason: str, body: bytes, retry_after: float | None = None) -> bytes:
    """Write the whole response to a probe."""
    lines = [
        f"HTTP/1.1 {status} {reason}",
        "content-type: application/json",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        f"content-length: {len(body)}",
        f"connection: {'keep-alive' if probe.keep_alive else 'close'}",
    ]
    if retry_after is not None:
        lines.append(f"retry-after: {max(1, round(retry_after))}")
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return head if probe.head_only else head + body
