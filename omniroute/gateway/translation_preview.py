"""Requests, replies, streams and refusals said in another dialect, as the gateway would: for people to look at.

Pure: nothing is asked and nothing kept. `omniroute-ctl translate` and the panel's playground are thin round it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from omniroute.dialects import hub
from omniroute.dialects.ir import Body, Fault, Usage
from omniroute.dialects.registry import DIALECTS
from omniroute.errors import BadRequest
from omniroute.routing.failures import FailedAttempt, Failure, outcome

MODEL = re.compile(rb'"model(?:Version)?"\s*:\s*"([^"\\]+)"')
"""Where an answer names its model; inside of a text the quotes are escaped."""


class NoModel(BadRequest):
    """The dialect has the model's name elsewhere than in the body, or it was left out."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The same in the other dialect."""

    raw: bytes
    dropped: tuple[str, ...] = ()
    """Fields of a request that cannot be said."""
    usage: Usage | None = None
    """Of an answer."""
    status: int | None = None
    """Of a refusal: what the client gets."""
    fault: Fault | None = None
    """Why an answer is none, or breaks off."""


def preview_request(source: str, target: str, raw: bytes, *, model: str | None = None) -> Preview:
    """Say a client's request to an upstream; BadRequest for what is none, or cannot be said."""
    prepared = _prepare(source, target, raw, model)
    return Preview(prepared.raw, prepared.dropped)


def names_of(source: str, target: str, asked: bytes) -> Mapping[str, str]:
    """Give what an upstream calls the tools of the client's request that it answers."""
    return _prepare(target, source, asked, "any").names


def preview_reply(
    source: str, target: str, raw: bytes, *, model: str | None = None, names: Mapping[str, str], created: int = 0
) -> Preview:
    """Say an upstream's whole answer to a client; `fault` where it is none."""
    whole = hub.read_whole(target, source, raw, model=model_of(raw, model), names=names, created=created)
    return Preview(whole.raw, usage=whole.usage, fault=whole.fault)


class StreamPreview:
    """A streamed answer, in pieces: nothing before its first content, and an error as the client's dialect says it."""

    def __init__(
        self, source: str, target: str, *, model: str, names: Mapping[str, str] = hub.NO_NAMES, created: int = 0
    ) -> None:
        self._stream = hub.Stream(target, source, model=model, names=names, created=created)
        self._held = b""

    @property
    def fault(self) -> Fault | None:
        """Why there is no answer, or no end of it."""
        return self._stream.fault

    @property
    def began(self) -> bool:
        """Whether there was content, so that a client has got something."""
        return self._stream.content

    @property
    def usage(self) -> Usage:
        return self._stream.usage

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes of the upstream's; give those of the client's."""
        return self._out(self._stream.feed(chunk))

    def finish(self) -> bytes:
        """Give what comes at the end."""
        said = self._out(self._stream.finish())
        if self.fault is not None and self.began:
            said += self._stream.fail(self.fault)
        return said

    def _out(self, said: bytes) -> bytes:
        self._held += said
        if not self.began:
            return b""
        said, self._held = self._held, b""
        return said


def preview_stream(
    source: str, target: str, raw: bytes, *, model: str | None = None, names: Mapping[str, str], created: int = 0
) -> Preview:
    """Say an upstream's streamed answer, all of it, to a client."""
    saying = StreamPreview(source, target, model=model_of(raw, model), names=names, created=created)
    said = saying.feed(raw) + saying.finish()
    return Preview(said, usage=saying.usage, fault=saying.fault)


def preview_error(source: str, target: str, raw: bytes, status: int) -> Preview:
    """Say an upstream's refusal as that of a plan's only target; who the account is, only the gateway knows."""
    fault = DIALECTS[source].read_error(status, raw)
    failure = Failure("status", f"{status} {fault.message}", status=status, fault=fault)
    refusal = outcome([FailedAttempt(source, "…", failure)], targets=1)
    return Preview(orjson.dumps(DIALECTS[target].write_error(refusal)), status=refusal.status)


def model_of(raw: bytes, model: str | None = None) -> str:
    """Give the model that is said, else the one that an answer names, else nothing."""
    if model is not None:
        return model
    found = MODEL.search(raw)
    return found[1].decode("utf-8", "replace") if found else ""


def _prepare(client: str, upstream: str, raw: bytes, model: str | None) -> hub.Prepared:
    body = _object(raw)
    named = model or body.get("model") or ""
    if not isinstance(named, str):
        raise BadRequest("model must be a string", param="model")
    if not named and client != upstream:
        raise NoModel("the request names no model", param="model")
    stream = body.get("stream") is True
    return hub.prepare(
        client,
        upstream,
        raw,
        body,
        model=named,
        stream=stream,
        stream_usage=True,
        max_output=None,
        cache_breakpoints=True,
    )


def _object(raw: bytes) -> Body:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        why = f"not JSON: {error}" if raw else "empty: a JSON object is needed"
        raise BadRequest(f"the request is {why}") from None
    if not isinstance(body, dict):
        raise BadRequest("the request is not a JSON object")
    return body
