"""Preview of requests, replies, streams and errors translated to another dialect, as the gateway would.

Pure: no I/O, no state. `omniroute-ctl translate` and the panel's playground are thin wrappers of it.
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
"""The model field of a reply; quotes within a text are escaped, so they do not match."""


class NoModel(BadRequest):
    """The request body names no model: it was left out, or the dialect has it elsewhere."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A translated message."""

    raw: bytes
    dropped: tuple[str, ...] = ()
    """Request fields that the other dialect cannot express."""
    usage: Usage | None = None
    """Usage of a reply."""
    status: int | None = None
    """Status of an error, as the client gets it."""
    fault: Fault | None = None
    """Why a reply is invalid, or was interrupted."""


def preview_request(source: str, target: str, raw: bytes, *, model: str | None = None) -> Preview:
    """Translate a client's request for an upstream. Raises BadRequest if it is invalid or cannot be translated."""
    prepared = _prepare(source, target, raw, model)
    return Preview(prepared.raw, prepared.dropped)


def names_of(source: str, target: str, asked: bytes) -> Mapping[str, str]:
    """Return the upstream's tool names for the client's request that a reply answers."""
    return _prepare(target, source, asked, "any").names


def preview_reply(
    source: str, target: str, raw: bytes, *, model: str | None = None, names: Mapping[str, str], created: int = 0
) -> Preview:
    """Translate an upstream's complete reply for a client; `fault` is set where it is invalid."""
    whole = hub.read_whole(target, source, raw, model=model_of(raw, model), names=names, created=created)
    return Preview(whole.raw, usage=whole.usage, fault=whole.fault)


class StreamPreview:
    """Translate a streamed reply piecewise. Output starts at the first content; an error ends it."""

    def __init__(
        self, source: str, target: str, *, model: str, names: Mapping[str, str] = hub.NO_NAMES, created: int = 0
    ) -> None:
        self._stream = hub.Stream(target, source, model=model, names=names, created=created)
        self._held = b""

    @property
    def fault(self) -> Fault | None:
        """Why there is no answer, or no end of it; None if it is complete."""
        return self._stream.fault

    @property
    def began(self) -> bool:
        """Whether there was content, so that a client would have output."""
        return self._stream.content

    @property
    def usage(self) -> Usage:
        return self._stream.usage

    def feed(self, chunk: bytes) -> bytes:
        """Feed upstream bytes; return client bytes."""
        return self._out(self._stream.feed(chunk))

    def finish(self) -> bytes:
        """End the input; return the remaining client bytes."""
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
    """Translate an upstream's complete streamed reply for a client."""
    saying = StreamPreview(source, target, model=model_of(raw, model), names=names, created=created)
    said = saying.feed(raw) + saying.finish()
    return Preview(said, usage=saying.usage, fault=saying.fault)


def preview_error(source: str, target: str, raw: bytes, status: int) -> Preview:
    """Translate an upstream's error as that of a plan's only target, without the account, which is not known here."""
    fault = DIALECTS[source].read_error(status, raw)
    failure = Failure("status", f"{status} {fault.message}", status=status, fault=fault)
    refusal = outcome([FailedAttempt(source, "…", failure)], targets=1)
    return Preview(orjson.dumps(DIALECTS[target].write_error(refusal)), status=refusal.status)


def model_of(raw: bytes, model: str | None = None) -> str:
    """Return `model` if given, else the model that a reply names, else an empty string."""
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
