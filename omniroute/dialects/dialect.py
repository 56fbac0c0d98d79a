"""What every dialect offers to someone who lets its bytes pass and only watches them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from omniroute.dialects.ir import Body, Fault, Usage
from omniroute.dialects.sse import Frame
from omniroute.errors import GatewayError


@dataclass(frozen=True, slots=True)
class FrameSignal:
    """What one frame, or one whole reply, means to a watcher."""

    content: bool = False
    """Text, reasoning, a refusal, a piece of a tool call, audio, an image: what a client shows or acts on."""
    usage: Usage | None = None
    """As counted up to here: `usage.merge` puts a later one over an earlier one."""
    fault: Fault | None = None
    """An error that came inside a reply with status 200."""
    done: bool = False
    """The reply is whole: its finish reason or its end mark was seen."""
    only_usage: bool = False
    """OpenAI's extra chunk without choices, which `include_usage` brings."""
    reason: bool = field(default=False, compare=False)
    """A reason for the end was given: a reply without content is then what the model wanted, or a filter."""


NOTHING = FrameSignal()
CONTENT = FrameSignal(content=True)
DONE = FrameSignal(done=True)
FINISHED = FrameSignal(done=True, reason=True)

UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a reader may stumble over in a strange shape."""


def strict[Wire](read: Callable[[Wire], FrameSignal]) -> Callable[[Wire], FrameSignal]:
    """Make whatever a reader stumbles over one ValueError."""

    @functools.wraps(read)
    def checked(wire: Wire) -> FrameSignal:
        try:
            return read(wire)
        except ValueError:
            raise
        except UNREADABLE as exc:
            raise ValueError(f"a field has another shape than in this dialect: {exc}") from exc

    return checked


class WriteFault(Protocol):
    def __call__(self, fault: Fault, first: Frame | None = None, last: Frame | None = None) -> bytes:
        """Write a fault into a stream, with what must follow it there; `first` and `last` is what the stream said."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format, seen from outside."""

    name: str
    watch: Callable[[Frame], FrameSignal]
    """Read one frame of a stream; ValueError for what is not the dialect."""
    read_whole: Callable[[Body], FrameSignal]
    """Read a whole reply; ValueError likewise."""
    read_error: Callable[[int, bytes], Fault]
    """Read status and body of a refusal; takes anything, and never raises."""
    write_error: Callable[[GatewayError], Body]
    """Write the body of our own refusal."""
    write_fault: WriteFault
    keepalive: bytes
    """What may stand between two frames to keep a waiting client; empty where it would break clients."""
