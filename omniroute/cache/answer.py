"""A cached answer, and its serialization."""

from dataclasses import dataclass, field

import orjson

from omniroute.catalog.provider import DialectName
from omniroute.dialects.ir import Usage

META_FIELDS = ("at", "dialect", "status", "content_type", "route", "dropped", "bucket")
MAX_ANSWER = 16 * 1024 * 1024
"""Maximum bytes of an answer to cache."""
BESIDE = 512
"""Bytes that an answer counts in addition to its body and vector."""


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """A complete response to a client, to be replayed byte for byte."""

    at: float
    """Time of its request, in seconds of the epoch."""
    dialect: DialectName
    body: bytes = field(repr=False)
    status: int = 200
    content_type: str = "application/json"
    route: str = ""
    dropped: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    stands: bool = True
    """Whether it may be cached for later requests, and not only shared with those that wait for it now."""
    bucket: str = ""
    """Digest of the request without the last user message, where semantic cache hits are allowed."""
    vector: bytes = field(default=b"", repr=False)
    """Embedding of the last user message: normalized, as 32-bit floats."""
    similarity: float | None = None
    """Cosine similarity of the message to that of the request it is replayed for; None for an identical one."""

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return len(self.body) + len(self.vector) + BESIDE


def pack(answer: CachedAnswer) -> bytes:
    """Serialize an answer."""
    about = {name: getattr(answer, name) for name in META_FIELDS}
    about |= {"usage": answer.usage.counts(), "vector": len(answer.vector)}
    return orjson.dumps(about) + b"\n" + answer.vector + answer.body


def unpack(content: bytes) -> CachedAnswer:
    """Deserialize what `pack` returned. Raises ValueError or TypeError for the format of another version."""
    head, _, rest = content.partition(b"\n")
    about = orjson.loads(head)
    usage, dropped, vector = Usage(**about.pop("usage")), tuple(about.pop("dropped")), about.pop("vector", 0)
    return CachedAnswer(**about, vector=rest[:vector], body=rest[vector:], usage=usage, dropped=dropped)
