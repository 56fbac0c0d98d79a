"""Any dialect to any other, whole and in a stream: the only door for who has an upstream's bytes in hand.

Same dialect on both sides: requests are patched, replies pass byte for byte and are only watched. Any other
pair is translated.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import orjson

from omniroute.dialects import json_edit
from omniroute.dialects import token_usage as usage
from omniroute.dialects.claude import foreign_reasoning as foreign_to_claude
from omniroute.dialects.claude.write_request import set_breakpoints
from omniroute.dialects.dialect import NOTHING, UNREADABLE, FrameSignal
from omniroute.dialects.gemini import foreign_reasoning as foreign_to_gemini
from omniroute.dialects.gemini.errors import write_array_fault
from omniroute.dialects.ir import Body, Fault, Usage
from omniroute.dialects.json_edit import dump, rewrite
from omniroute.dialects.passthrough import PassthroughStream
from omniroute.dialects.progress import Progress
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.responses import foreign_reasoning as foreign_to_responses
from omniroute.dialects.resume import ContinuationWriter, ResumedStream
from omniroute.dialects.resume_overlap import OverlapNotFound, ResumableText
from omniroute.dialects.shaping.common import Shape
from omniroute.dialects.shaping.shape import shape_request
from omniroute.dialects.sse import Frame
from omniroute.dialects.stream_framing import MAX_STRAY, Framing
from omniroute.dialects.translate import PAIRS, Translator, translate_reply, translate_request
from omniroute.dialects.upstream_errors import bare_error, one_line, read_error
from omniroute.errors import BadRequest

AS_IT_IS = Shape()
NO_NAMES: Mapping[str, str] = MappingProxyType({})
MAX_TRANSLATED = 64 * 1024 * 1024
"""Bytes of a stream that is translated: some dialects say all of it again at its end, so it has to be kept."""
WITHOUT_FOREIGN = {
    "claude": (foreign_to_claude.without_foreign_thinking, "messages.thinking"),
    "responses": (foreign_to_responses.without_foreign_thinking, "input.reasoning"),
    "gemini": (foreign_to_gemini.without_foreign_thinking, "contents.thoughtSignature"),
}
"""What takes out the seals that a provider did not make itself, and what that is called in the report."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as the upstream takes it, and what its reply needs to be told to the client."""

    raw: bytes
    dropped: tuple[str, ...] = ()
    """Names of fields that cannot be said in the upstream's dialect."""
    hides_usage: bool = False
    """The upstream sends usage in a chunk of its own that the client did not ask for."""
    names: Mapping[str, str] = NO_NAMES
    """Tools whose names had to change: the name that was sent -> the client's own."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole reply as the client takes it."""

    raw: bytes
    usage: Usage
    content: bool
    fault: Fault | None
    reason: bool = False
    """The upstream gave a reason for the end: without content it is empty on purpose."""


def translates(client: str, upstream: str) -> bool:
    """Say whether a client of one dialect can be served by an upstream of the other."""
    return client == upstream or (client, upstream) in PAIRS


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
    cache_breakpoints: bool = False,
    shape: Shape = AS_IT_IS,
    renamed: bool = False,
) -> Prepared:
    """Make the upstream's request out of the client's; `body` is what `raw` says.

    `cache_breakpoints` asks Anthropic to cache for clients whose dialects cannot ask for it. `shape` is what the
    settings want of it. `renamed` says that the client has named another model: what this one would refuse is
    changed then also where nothing has to be translated.

    Raises BadRequest for what cannot be said in the upstream's dialect and must not be lost.
    """
    hides_usage = client == "openai" and stream and not json_edit.asks_usage(body)
    if client == upstream:
        lost_here: tuple[str, ...] = ()
        if renamed or not shape.idle:
            fit = shape_request(client, body, model=model, shape=shape, renamed=renamed, max_output=max_output)
            raw, body, lost_here = rewrite(raw, body, fit.body), fit.body, fit.dropped
        without_foreign, lost = WITHOUT_FOREIGN.get(client, (None, ""))
        if without_foreign is not None and (ours := without_foreign(raw, body, model)):
            where = lost.partition(".")[0]
            gone = [key for key in body if key not in ours]
            removed = gone if ours[where] == body[where] else [lost, *gone]
            return Prepared(json_edit.set_model(_written(ours), ours, model), (*lost_here, *removed))
        raw = json_edit.set_model(raw, body, model)
        if hides_usage and stream_usage:
            return Prepared(json_edit.add_stream_usage(raw, body), lost_here, hides_usage=True)
        return Prepared(raw, lost_here)
    written = translate_request(client, upstream, body, model=model, stream=stream, max_output=max_output)
    made, dropped = written.body, written.dropped
    if not shape.idle:
        fit = shape_request(upstream, made, model=model, shape=shape, renamed=False, max_output=max_output)
        made, dropped = fit.body, (*dropped, *(name for name in fit.dropped if name not in dropped))
    if not stream_usage:
        made.pop("stream_options", None)
    if cache_breakpoints and upstream == "claude":
        set_breakpoints(made)
    return Prepared(_written(made), dropped, hides_usage, written.names)


def _written(body: Body) -> bytes:
    try:
        return dump(body)
    except ValueError as error:
        raise BadRequest(f"the body is {error}") from None


class Stream:
    """Upstream bytes in, client bytes out. Never raises, and always ends.

    `fault` is the first thing that went wrong; after it only `fail` gives bytes.
    """

    def __init__(
        self,
        client: str,
        upstream: str,
        *,
        model: str,
        hides_usage: bool = False,
        names: Mapping[str, str] = NO_NAMES,
        created: int = 0,
        as_array: bool = False,
        reply_id: str | None = None,
        ended: Callable[[bytes], None] | None = None,
        elapsed: Callable[[], float] | None = None,
        follows: bool = False,
        resumes: "Stream | None" = None,
    ) -> None:
        """Take what `prepare` said; `created` and `reply_id` are what a translated reply is to bear.

        `as_array` is for a client of Gemini that does not ask for events, wherever the reply comes from.
        `ended` is told the bytes in which the client gets the end of a whole reply, just before it gets them.
        `elapsed` gives the seconds since the request came, where the client wants to hear of its progress.
        `follows` keeps account of what the client is told, so that another stream may go on from it: that one
        `resumes` this one.
        """
        self.progress = None if elapsed is None or client == "gemini" else Progress(client, upstream, elapsed)
        self.content = False
        self.done = False
        self.reason = False
        """Whether the upstream gave a reason for the end: without content it is empty on purpose."""
        self.fault: Fault | None = None
        self.usage = Usage()
        self._upstream = upstream
        self._framing = Framing(arrays=upstream == "gemini")
        self._open = False
        self._way: PassthroughStream | Translator
        self._following: ResumedStream | None = None
        self._before = b""
        """What separates the first words from a frame that was broken off."""
        self.spent = Usage()
        """What the answer has cost before."""
        self.resumes = resumes is not None
        self._note_at_end = b""
        """A comment behind the answer; Google's SDKs know none."""
        if resumes is not None:
            teller = resumes._teller
            assert teller
            assert teller.said
            self.spent = resumes.known
            if client != "gemini":
                self._note_at_end = b": resumed after %d characters\n\n" % len(teller.said.text)
            self._before = b"\n\n" if resumes._open else resumes._before
            self._way = ContinuationWriter(
                client, upstream, writer=teller.writer, said=teller.said, spent=self.spent, names=names
            )
            if self.progress and resumes.progress:
                self.progress.go_on(resumes.progress)
        elif client == upstream:
            self._way = PassthroughStream(DIALECTS[client], hides_usage=hides_usage)
            if follows:
                self._following = ResumedStream(client, model=model, include_usage=not hides_usage, created=created)
        else:
            self._way = Translator(
                client,
                upstream,
                model=model,
                include_usage=not hides_usage,
                names=names,
                created=created,
                as_array=as_array,
                reply_id=reply_id,
                said=ResumableText() if follows else None,
            )
        self._on_end = ended
        self._fed = 0
        self._heard = False
        self._sent = False
        self._failed = False

    @property
    def fed(self) -> int:
        """How many bytes the upstream has said."""
        return self._fed

    @property
    def _teller(self) -> Translator | None:
        """What knows all that the client was told."""
        return self._way if isinstance(self._way, Translator) else self._following.way if self._following else None

    @property
    def followed(self) -> ResumableText | None:
        """What the client was told, where account is kept of it; not of an array that passes untouched."""
        untouched = self._framing.is_array and isinstance(self._way, PassthroughStream)
        return self._teller.said if self._teller and not untouched else None

    @property
    def said(self) -> str | None:
        """The text of the answer up to here, where another stream may go on from it."""
        return self.followed.text if self.followed and self.followed.goes_on else None

    @property
    def own(self) -> Usage:
        """What this upstream has counted; of a reply that broke off, only what went in is known."""
        return self.usage if self.done else replace(self.usage, output=None, reasoning=None)

    @property
    def known(self) -> Usage:
        """The same of the whole answer up to here."""
        return usage.add_usage(self.spent, self.own) if self.resumes else self.own

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Cut a chunk so that feeding each piece is little work."""
        return self._framing.pieces(chunk)

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the reply, cut anywhere."""
        if self.fault is not None:
            return b""
        self._fed += len(chunk)
        out = self._take(self._framing.feed(chunk))
        if self.fault is None:
            if self._framing.error:
                self.fault = Fault("garbage", self._framing.error)
            elif self._framing.stray is not None and len(self._framing.stray) == MAX_STRAY:
                self.fault = read_error(200, self._framing.stray)
            elif self._fed > MAX_TRANSLATED and not self._way.ended:
                self.fault = Fault("garbage", f"the stream has no end in its first {MAX_TRANSLATED} bytes")
        self._tell()
        return out

    def finish(self) -> bytes:
        """Take the end of the upstream's reply: a reply that is not whole then has a fault."""
        if self.fault is not None:
            return b""
        out = self._take(self._framing.finish())
        if self.fault is not None and self.fault.kind == "garbage":
            self.fault = None  # half a frame: whether the reply was whole before it decides what that means
        self._open = bool(out)
        if self.fault is None and not self.done:
            self.fault = self._early_end()
        if self.fault is None:
            try:
                said = self._way.finish()
            except UNREADABLE as exc:
                self.fault = Fault("garbage", one_line(str(exc)))
            else:
                said = self._parted(said)
                self.fault = None if self._way.ended else self._early_end()
                if self.progress and self.fault is None and not self.progress.told:
                    # A stream that passes without an end mark has its last message at its end.
                    told = self.progress.before_end(said) if said else self.progress.say(done=True)
                    said = (b"\n\n" if self._open else b"") + told
                out += said
        if self.fault is None:
            out += self._note_at_end
        self._tell()
        return out

    def _tell(self) -> None:
        if ending := self._way.ending:
            self._way.ending = b""
            if self._on_end is not None:
                self._on_end(ending)
                self._on_end = None  # it may hold who holds this stream

    def fail(self, fault: Fault) -> bytes:
        """Give up after content: close what is open and say the fault as the client reads it."""
        if self._failed:
            return b""
        self._failed = True
        self.fault = self.fault or fault
        if isinstance(self._way, Translator):
            return self._parted(self._way.fail(fault))
        if self._framing.is_array:
            return write_array_fault(fault, first=not self._sent)
        return (b"\n\n" if self._open else b"") + self._way.fail(fault)

    def _take(self, frames: Iterable[Frame]) -> bytes:
        out = []
        for frame in frames:
            self._heard = self._heard or bool(frame.data)
            if not frame.data and (told := bare_error(frame.raw)):
                self.fault = told
                break
            try:
                said, sign = self._way.feed(frame)
            except UNREADABLE as exc:
                if not self.done or not self._way.ended:
                    self.fault = self._garbage(frame.data, exc)
                    break
                continue  # what stands behind a whole reply changes nothing about it
            if sign is not NOTHING:
                self._note(sign)
            if self.fault is not None:
                break
            if self._following is not None and frame.data:
                self._following.feed(frame)
            out.append(self._with_progress(frame, sign, said) if self.progress else said)
        joined = self._parted(b"".join(out))
        self._sent = self._sent or bool(joined)
        return joined

    def _parted(self, said: bytes) -> bytes:
        if not said or not self._before:
            return said
        before, self._before = self._before, b""
        return before + said

    def _with_progress(self, frame: Frame, sign: FrameSignal, said: bytes) -> bytes:
        assert self.progress
        self.progress.heard(frame, sign, content=self.content)
        if isinstance(self._way, Translator):
            ends = self._way.ended
        else:  # OpenAI says why it ends, then what it has cost, and then that it ends
            ends = sign.done and (self._upstream != "openai" or frame.data.startswith("[DONE]"))
        return self.progress.before_end(said) if ends and said and not self.progress.told else said

    def _note(self, sign: FrameSignal) -> None:
        self.content = self.content or sign.content
        self.done = self.done or sign.done
        if sign.reason:
            self.reason = True
        self.fault = sign.fault
        if sign.usage is not None:
            self.usage = usage.merge(self.usage, sign.usage)

    def _garbage(self, seen: str, why: Exception) -> Fault:
        if isinstance(why, OverlapNotFound):
            return Fault("garbage", str(why))
        return Fault("garbage", one_line(f"the upstream said what is not {self._upstream}: {seen[:200]} ({why})"))

    def _early_end(self) -> Fault:
        if self._framing.stray:
            return read_error(200, self._framing.stray)
        if self._heard:
            return Fault("cut", "connection lost: the upstream's reply ended before its end mark")
        return Fault("empty", "the upstream's reply ended without having said anything")


def read_whole(
    client: str,
    upstream: str,
    raw: bytes,
    *,
    model: str,
    names: Mapping[str, str] = NO_NAMES,
    created: int = 0,
    reply_id: str | None = None,
) -> Whole:
    """Read a whole reply and give it as the client takes it; never raises."""
    try:
        body = orjson.loads(raw)
        sign = DIALECTS[upstream].read_whole(body)
        if sign.fault is None and client != upstream:
            told = translate_reply(client, upstream, body, model=model, names=names, created=created, reply_id=reply_id)
            raw = dump(told)
    except UNREADABLE:
        return Whole(raw, Usage(), False, read_error(200, raw))
    return Whole(raw, sign.usage or Usage(), sign.content and sign.fault is None, sign.fault, sign.reason)
