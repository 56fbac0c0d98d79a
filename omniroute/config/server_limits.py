"""Limits on what clients may send: heads, bodies, connections, JSON.

Each value is the setting `server.FIELD`; sizes are bytes, times are seconds.
"""

from dataclasses import dataclass

MAX_SIZE = 1 << 40
MAX_COUNT = 100_000_000
MAX_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits for every client, with or without a key."""

    header_bytes: int = 65_536
    """Bytes of a request head: request line and all header lines, or an HTTP/2 header list."""
    header_lines: int = 100
    """Header lines of one request."""
    header_timeout: float = 10.0
    """Seconds from the first byte of a request head, or from the start of a connection, to the end of the head."""
    body_min_rate: int = 1024
    """Bytes a second that a request body must arrive at on average, once `header_timeout` seconds have passed."""
    body_total: int = 512 * 1024 * 1024
    """Bytes of all request bodies in flight together, counted after decompression."""
    connections: int = 4096
    """Client connections in total; fewer where the process may open fewer file descriptors."""
    connections_per_address: int = 2048
    """Client connections of one address; trusted proxies are exempt."""
    idle_timeout: float = 300.0
    """Seconds after which a client connection without a request in flight is closed."""
    requests: int = 4096
    """Requests in flight in total."""
    json_depth: int = 256
    """Levels of nesting in a request body."""
    messages: int = 20_000
    """Messages, items, content blocks and tools of one request, each counted alone."""
