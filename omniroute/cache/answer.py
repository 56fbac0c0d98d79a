"""An answer that is given again: what it is, and as one run of bytes."""

from dataclasses import dataclass, field

import orjson

from omniroute.catalog.provider import DialectName
from omniroute.dialects.ir import Usage

META_FIELDS = ("at", "dialect", "status", "content_type", "route", "dropped", "bucket")
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of one answer that is given again."""
BESIDE = 512
"""Bytes of all that an answer has beside its body and its vector."""


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """What a client was told, so that it can be told again to the byte."""

    at: float
    """When it was asked for, as seconds of the epoch."""
    dialect: DialectName
    body: bytes = field(repr=False)
    status: int = 200
    content_type: str = "application/json"
    route: str = ""
    dropped: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    stands: bool = True
    """It may be given to who comes later, and not only to who waits for it now."""
    bucket: str = ""
    """The digest of all but the user's last words, where it may be given to who says nearly the same."""
    vector: bytes = field(default=b"", repr=False)
    """Those words as an embedding model sees them: of length 1, in floats of four bytes."""
    similarity: float | None = None
    """How near those words are to the ones that it is given for now; None where they are the same."""

    @property
    def size(self) -> int:
        """Bytes that it takes to keep it."""
        return len(self.body) + len(self.vector) + BESIDE


def pack(answer: CachedAnswer) -> bytes:
    """Make one run of bytes of it."""
    about = {name: getattr(answer, name) for name in META_FIELDS}
    about |= {"usage": answer.usage.counts(), "vector": len(answer.vector)}
    return orjson.dumps(about) + b"\n" + answer.vector + answer.body


def unpack(content: bytes) -> CachedAnswer:
    """Undo `pack`; ValueError or TypeError for what another version has made."""
    head, _, rest = content.partition(b"\n")
    about = orjson.loads(head)
    usage, dropped, vector = Usage(**about.pop("usage")), tuple(about.pop("dropped")), about.pop("vector", 0)
    return CachedAnswer(**about, vector=rest[:vector], body=rest[vector:], usage=usage, dropped=dropped)
