"""Routes for the translator playground, which previews the translation of a request or a response."""

from functools import partial
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from omniroute.dialects import hub
from omniroute.dialects.detect import detect_dialect
from omniroute.errors import BadRequest
from omniroute.gateway.translation_preview import (
    Preview,
    names_of,
    preview_error,
    preview_reply,
    preview_request,
    preview_stream,
)
from omniroute.panel.routes import Body, Call, post

LARGEST = 4 * 1024 * 1024
Dialect = Literal["openai", "responses", "claude", "gemini"]
What = Literal["request", "reply", "stream", "error"]


class Given(Body):
    kind: What = "request"
    source_format: Dialect
    target_format: Dialect
    text: str
    model: str | None = Field(None, max_length=300)
    asked: str | None = Field(None, description="The client's request that is answered: its tools keep their names.")
    status: int = Field(500, ge=400, le=599, description="Of a refusal.")


class Pasted(Body):
    """The content to detect: exactly one of the two fields."""

    text: str | None = Field(None, description="As it was found: also a stream, or what is no JSON.")
    body: dict[str, Any] | list[Any] | None = None


class Detected(Body):
    success: bool = Field(description="False where nothing tells what it is.")
    format: Dialect | None
    kind: What | None


class Tokens(Body):
    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    reasoning: int | None


class Wrong(Body):
    message: str
    field: str | None = None


class Translated(Body):
    success: bool
    source_format: Dialect
    target_format: Dialect
    result: str
    dropped: tuple[str, ...] = ()
    usage: Tokens | None = None
    status: Annotated[int | None, Field(description="What the client gets for a refusal.")] = None
    error: Wrong | None = None


@post("/api/translator/translate", "Say a request, an answer or a refusal in another dialect.", largest=LARGEST)
def translate(call: Call, body: Given) -> Translated:
    """Translate the text. Invalid input is reported in `error` with status 200, as it may be typed only in part."""
    made = partial(Translated, source_format=body.source_format, target_format=body.target_format)
    try:
        said = _said(body, int(call.runtime.wall()))
    except BadRequest as error:
        return made(success=False, result="", error=Wrong(message=error.message, field=error.param))
    return made(
        success=said.fault is None,
        result=said.raw.decode("utf-8", "replace"),
        dropped=said.dropped,
        usage=Tokens(**said.usage.counts()) if said.usage else None,
        status=said.status,
        error=Wrong(message=said.fault.message) if said.fault else None,
    )


@post("/api/translator/detect", "Say which dialect something is in, and what it is.", largest=LARGEST)
def detect(call: Call, body: Pasted) -> Detected:
    """Detect dialect and kind by features unique to one dialect. Raises BadRequest unless one field is given."""
    if (body.text is None) == (body.body is None):
        raise BadRequest("give either `text` or `body`", param="text")
    found = detect_dialect(orjson.dumps(body.body) if body.text is None else body.text.encode())
    if found is None:
        return Detected(success=False, format=None, kind=None)
    return Detected(success=True, format=found.dialect, kind=found.kind)


def _said(body: Given, created: int) -> Preview:
    source, target, raw = body.source_format, body.target_format, body.text.encode()
    if body.kind == "request":
        return preview_request(source, target, raw, model=body.model)
    if body.kind == "error":
        return preview_error(source, target, raw, body.status)
    names = names_of(source, target, body.asked.encode()) if body.asked else hub.NO_NAMES
    say = preview_stream if body.kind == "stream" else preview_reply
    return say(source, target, raw, model=body.model, names=names, created=created)
