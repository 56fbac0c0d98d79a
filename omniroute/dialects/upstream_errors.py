"""Reading errors, in whatever shape they come.

Between a gateway and a model stand proxies, load balancers and other gateways, each with its own idea of an
error body, so every dialect reads all of the shapes.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

import orjson

from omniroute.dialects.ir import Fault

MAX_MESSAGE = 2000
"""Characters of an upstream's words that are passed on."""
MAX_READ = 64 * 1024
"""Bytes of an error body that are looked at when it is not JSON."""

# Neither runs over a further "<", which keeps both linear on any junk.
TITLE = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
TAG = re.compile(r"<[^<>]*>")
ESCAPE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[ -/]+[0-~]")
"""Commands to a terminal (ECMA-48)."""
UNSAFE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for white space, marks that turn the direction of a text, and halves of characters."""
MESSAGE_KEYS = ("message", "Message", "detail", "error_description", "msg", "status_msg", "reason", "title")
KIND_KEYS = ("type", "__type", "status", "code")
OUTER_KEYS = ("error", "errors", "base_resp")

TOO_LONG = "context_length_exceeded"
"""OpenAI's code for what no other provider has one for; clients of it make the conversation shorter."""
SAYS_TOO_LONG = re.compile(
    r"prompt is too long|input is too long for|maximum context length|exceeds? (?:the |this )?(?:model'?s? |maximum )*"
    r"context|context (?:window|length) (?:is |was )?exceeded|input token count .{0,80}exceeds the maximum",
    re.IGNORECASE,
)
UNTELLING = (None, "", "invalid_request_error", "bad_request")
OVERLOADED = {"overloaded_error", "server_is_overloaded", "slow_down", "engine_overloaded"}

STATUS = {
    "invalid_request_error": 400,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "authentication_error": 401,
    "UNAUTHENTICATED": 401,
    "billing_error": 402,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "NOT_FOUND": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "RESOURCE_EXHAUSTED": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "api_error": 500,
    "server_error": 500,
    "INTERNAL": 500,
    "overloaded_error": 529,
    "server_is_overloaded": 529,
    "UNAVAILABLE": 503,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
    "cut": 502,
    "empty": 502,
    "garbage": 502,
}


def status_of(fault: Fault) -> int:
    """Say which HTTP status means the same; 502 when nothing tells."""
    if not OVERLOADED.isdisjoint((fault.code, fault.kind)):
        return 529
    return fault.status or STATUS.get(fault.code or "") or STATUS.get(fault.kind) or 502


def find(value: object, status: int | None = None) -> Fault | None:
    """Find an error in a JSON value; None when it holds none. `status` is the HTTP status it came with."""
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return None
    for key in OUTER_KEYS:
        inner = value.get(key)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if not inner or (key == "base_resp" and not (isinstance(inner, dict) and inner.get("status_code"))):
            continue
        if inner is True:
            return _fault(value, status)
        if isinstance(inner, str):
            # Either the message itself, or a title beside the message.
            return _fault({"message": _text(value) or inner, "type": value.get("type")}, status)
        if isinstance(inner, dict):
            return _fault(inner, status)
    return _fault(value, status) if _is_bare(value, status) else None


def bare_error(raw: bytes) -> Fault | None:
    """Read an error that stands outside of any event, as Google says one in the middle of a stream."""
    raw = raw.strip()
    if not raw.startswith(b"{"):
        return None
    try:
        return find(orjson.loads(raw))
    except ValueError:
        return None


def read_error(status: int, body: bytes) -> Fault:
    """Read a refusal with whatever body, or a body where a reply should be; never raises."""
    try:
        value = orjson.loads(body)
    except ValueError:
        said = _plain(body[:MAX_READ].decode("utf-8", "replace"))
    else:
        if fault := find(value, status):
            return fault
        said = value if isinstance(value, str) else ""
    if status < 400 and not body.strip():
        return Fault("empty", "the reply has no body")
    if status < 400:
        seen = one_line(body[:200].decode("utf-8", "replace"))
        return Fault("garbage", one_line(f"not the reply that was asked for: {said or seen}"))
    name = _status_name(status)
    return Fault(name.lower().replace(" ", "_"), one_line(said) or f"{status} {name}", None, status)


def one_line(text: str) -> str:
    """Fold white space, take out what could command a terminal, and cut to `MAX_MESSAGE` characters."""
    # More than four times as much is not even looked at: a megabyte of blanks must not cost anything.
    text = text[: MAX_MESSAGE * 4]
    if not text.isprintable():
        text = UNSAFE.sub("", ESCAPE.sub("", text))
    text = " ".join(text.split())
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def _is_bare(value: Mapping[str, object], status: int | None) -> bool:
    """Whether the object itself is the error: always for a refusal, in a reply only where it says so."""
    if status is not None and status >= 400:
        return bool(_text(value))
    return value.get("object") == "error" or value.get("type") == "error" or bool(value.keys() & {"detail", "__type"})


def _fault(error: Mapping[str, object], status: int | None) -> Fault:
    code, kind = error.get("code"), "error"
    if code is None and isinstance(details := error.get("details"), dict):
        code = details.get("error_code")  # Anthropic, of message threads
    for key in KIND_KEYS:
        if isinstance(word := error.get(key), str) and word.strip() not in ("", "error") and not word.isdecimal():
            kind = word.rpartition("#")[2]
            break
    if status is None or status < 400:
        said = (error.get(key) for key in ("code", "status", "status_code", "http_code"))
        status = next((number for value in said if (number := _http_error(value))), None)
        status = status or STATUS.get(str(code)) or STATUS.get(kind)
    if kind == "error" and status:
        kind = _status_name(status).lower().replace(" ", "_")
    message = _text(error) or (kind if kind != "error" else "the upstream failed without saying why")
    metadata = error.get("metadata")
    if isinstance(metadata, dict) and isinstance(raw := metadata.get("raw"), str) and raw not in message:
        message = f"{message}: {raw}"  # OpenRouter: the words of the provider behind it
    if (
        (status is None or status in (400, 413))
        and SAYS_TOO_LONG.search(message)
        and (not isinstance(code, str) or code in UNTELLING)
    ):
        code = TOO_LONG
    word = one_line(code[:200]) if isinstance(code, str) else ""
    return Fault(one_line(kind[:200]) or "error", one_line(message), word or None, status)


def _text(value: object, depth: int = 5) -> str:
    """Find the words of an error: a text, the first known key that has some, or a list of such."""
    if isinstance(value, str):
        return value.strip()
    if depth and isinstance(value, list):
        said = [_text(item, depth - 1) for item in value[:10]]
        return "; ".join(part for part in said if part)
    if depth and isinstance(value, dict):
        for key in MESSAGE_KEYS:
            if said_here := _text(value.get(key), depth - 1):
                place = value.get("loc")
                where = ".".join(str(step) for step in place) if isinstance(place, list) else ""
                return f"{where}: {said_here}" if where else said_here
    return ""


def _plain(text: str) -> str:
    if "<" not in text:
        return text
    title = TITLE.search(text)
    return TAG.sub(" ", title[1] if title else text)


def _http_error(value: object) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else None


def _status_name(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return {529: "Overloaded"}.get(status, "error")
