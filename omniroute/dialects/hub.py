"""Any dialect to any other, whole and in a stream: the only door for who has an upstream's bytes in hand.

Same dialect on both sides: requests are patched, replies pass byte for byte and are only watched.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from omniroute.dialects import patch, usage
from omniroute.dialects.dialect import NOTHING, Sign
from omniroute.dialects.fault import one_line, read_error
from omniroute.dialects.framing import MAX_STRAY, Framing
from omniroute.dialects.gemini.errors import write_array_fault
from omniroute.dialects.ir import Body, Fault, Usage
from omniroute.dialects.passing import Passing
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.sse import Frame


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as the upstream takes it."""

    raw: bytes
    dropped: tuple[str, ...] = ()
    """Paths of fields that cannot be said in the upstream's dialect."""
    hides_usage: bool = False
    """We asked for a usage chunk that the client did not ask for."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole reply as the client takes it."""

    raw: bytes
    usage: Usage
    content: bool
    fault: Fault | None


def translates(client: str, upstream: str) -> bool:
    """Say whether a client of one dialect can be served by an upstream of the other."""
    return client == upstream


def prepare(
    client: str,
    upstream: str,
    raw: bytes,
    body: Body,
    *,
    model: str,
    stream: bool,
    stream_usage: bool,
    max_output: int | None,
) -> Prepared:
    """Make the upstream's request out of the client's; `body` is what `raw` says.

    Raises BadRequest for what cannot be said in the upstream's dialect and must not be lost.
    """
    raw = patch.set_model(raw, body, model)
    if upstream == "openai" and stream and stream_usage and not patch.asks_usage(body):
        return Prepared(patch.add_stream_usage(raw, body), hides_usage=True)
    return Prepared(raw)


class Stream:
    """Upstream bytes in, client bytes out. Never raises, and always ends.

    `fault` is the first thing that went wrong; after it only `fail` gives bytes.
    """

    def __init__(self, client: str, upstream: str, *, model: str, hides_usage: bool = False) -> None:
        self.content = False
        self.done = False
        self.fault: Fault | None = None
        self.usage = Usage()
        self._upstream = upstream
        self._framing = Framing(arrays=upstream == "gemini")
        self._way = Passing(DIALECTS[client], hides_usage=hides_usage)
        self._heard = False
        self._sent = False
        self._open = False
        self._failed = False

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the reply, cut anywhere."""
        if self.fault is not None:
            return b""
        out = self._take(self._framing.feed(chunk))
        if self.fault is None:
            if self._framing.error:
                self.fault = Fault("garbage", self._framing.error)
            elif self._framing.stray is not None and len(self._framing.stray) == MAX_STRAY:
                self.fault = read_error(200, self._framing.stray)
        return out

    def finish(self) -> bytes:
        """Take the end of the upstream's reply: a reply that is not whole then has a fault."""
        if self.fault is not None:
            return b""
        out = self._take(self._framing.finish())
        if self.fault is not None and self.fault.kind == "garbage":
            self.fault = None  # half a frame: the end decides what that means
        self._open = bool(out)
        if self.fault is None and not self.done:
            self.fault = self._early_end()
        return out if self.fault is not None else out + self._way.finish()

    def fail(self, fault: Fault) -> bytes:
        """Give up after content: close what is open and say the fault as the client reads it."""
        if self._failed:
            return b""
        self._failed = True
        self.fault = self.fault or fault
        if self._framing.is_array:
            return write_array_fault(fault, first=not self._sent)
        return (b"\n\n" if self._open else b"") + self._way.fail(fault)

    def _take(self, frames: Iterable[Frame]) -> bytes:
        out = []
        for frame in frames:
            self._heard = self._heard or bool(frame.data)
            try:
                said, sign = self._way.feed(frame)
            except ValueError:
                self.fault = Fault(
                    "garbage", one_line(f"the upstream said what is not {self._upstream}: {frame.data[:200]}")
                )
                break
            if sign is not NOTHING:
                self._note(sign)
            if self.fault is not None:
                break
            out.append(said)
        joined = b"".join(out)
        self._sent = self._sent or bool(joined)
        return joined

    def _note(self, sign: Sign) -> None:
        self.content = self.content or sign.content
        self.done = self.done or sign.done
        self.fault = sign.fault
        if sign.usage is not None:
            self.usage = usage.merge(self.usage, sign.usage)

    def _early_end(self) -> Fault:
        if self._framing.stray:
            return read_error(200, self._framing.stray)
        if self._heard:
            return Fault("cut", "the upstream's reply ended before its end mark")
        return Fault("empty", "the upstream's reply ended without having said anything")


def read_whole(client: str, upstream: str, raw: bytes, *, model: str) -> Whole:
    """Read a whole reply and give it as the client takes it; never raises."""
    try:
        body = orjson.loads(raw)
        if not isinstance(body, dict):
            raise ValueError("a reply is no JSON object")
        sign = DIALECTS[upstream].read_whole(body)
    except ValueError:
        return Whole(raw, Usage(), False, read_error(200, raw))
    return Whole(raw, sign.usage or Usage(), sign.content and sign.fault is None, sign.fault)
