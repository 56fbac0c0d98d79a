"""How far an answer has come, told between its frames to a client that wants to know.

Every message of it is an event of its own kind, `progress`, with `tokens_generated`, `elapsed_ms` and `done`; what
else its data holds keeps the official SDKs from stumbling over it. The last one stands before the mark that ends the
stream. Gemini's clients know no kinds of events, and get none.
"""

from collections.abc import Callable

from omniroute.dialects.dialect import UNREADABLE, FrameSignal
from omniroute.dialects.ir import Body, PartDelta, PartStart, ToolCall
from omniroute.dialects.json_edit import dump
from omniroute.dialects.sse import Frame
from omniroute.dialects.token_estimate import LATIN, WIDE
from omniroute.dialects.translate import CODECS

LIKE: dict[str, Body] = {
    "openai": {"object": "omniroute.progress", "choices": []},
    "responses": {"type": "progress"},
    "claude": {"type": "progress"},
}
"""What OpenAI's SDKs look for in all data: they do not tell kinds of events apart."""
END = b"\n\n"


class Progress:
    """Counts what a stream says. The provider's own count goes before an estimate, which is marked."""

    def __init__(self, client: str, upstream: str, elapsed: Callable[[], float]) -> None:
        """`elapsed` gives the seconds since the request came."""
        self.told = False
        """Whether the last message has been made."""
        self._client, self._elapsed = client, elapsed
        self._reader = CODECS[upstream].reader()
        self._latest: int | None = None
        self._counted: int | None = None
        self._narrow = self._wide = 0
        """Characters since the provider has counted: those that make a word together, and others."""
        self._readable = True
        self._before = 0
        """Tokens that another upstream has said before."""

    def go_on(self, before: "Progress") -> None:
        """Count on from what another upstream has said of the answer, which is an estimate from here on."""
        self._before = before._before + before._counted_up

    @property
    def _since(self) -> int:
        return self._wide + -(-self._narrow // LATIN)

    @property
    def _counted_up(self) -> int:
        return (self._counted or 0) + self._since

    def heard(self, frame: Frame, sign: FrameSignal, *, content: bool) -> None:
        """Count a frame; before there is any `content`, what a provider has counted is not yet about it."""
        if self._readable and frame.data:
            try:
                for event in self._reader.feed(frame):
                    match event:
                        case PartDelta(text=text) | PartStart(part=ToolCall(name=text)):
                            wide = len(text) - len(WIDE.sub("", text))
                            self._wide, self._narrow = self._wide + wide, self._narrow + len(text) - wide
            except UNREADABLE:
                self._readable = False
        if sign.usage is not None and sign.usage.output is not None:
            self._latest = sign.usage.output
            if content:
                self._counted, self._narrow, self._wide = self._latest, 0, 0

    def say(self, *, done: bool = False) -> bytes:
        """Say how far it is; nothing after the end."""
        if self.told:
            return b""
        self.told = done
        if done and self._counted is None:
            self._counted = self._latest
        data: Body = {
            "tokens_generated": self._before + self._counted_up,
            "elapsed_ms": round(self._elapsed() * 1000),
            "done": done,
        }
        if self._before or self._since or self._counted is None:
            data["estimated"] = True
        return b"event: progress\ndata: " + dump(data | LIKE[self._client]) + END

    def before_end(self, said: bytes) -> bytes:
        """Put the last message before the last of some frames."""
        rest, between, last = said.removesuffix(END).rpartition(END)
        return rest + between + self.say(done=True) + last + said[len(said.removesuffix(END)) :]
