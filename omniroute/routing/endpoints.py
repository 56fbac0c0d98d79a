"""Client endpoints: classify a request by method and path. The dialect follows from the path alone."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from omniroute.catalog.provider import DialectName
from omniroute.errors import GatewayError, NotFound

type Kind = Literal["chat", "count", "models", "model", "hello", "reply", "forget", "reply_input", "cancel"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The endpoint that a request is for. `model`, `stream` and `reply` are set where the path contains them."""

    kind: Kind
    dialect: DialectName
    model: str | None = None
    stream: bool | None = None
    provider: str | None = None
    """The only provider to use, on a provider-specific route."""
    reply: str | None = None
    """The id of a stored OpenAI Responses reply."""


CHAT: dict[str, DialectName] = {
    "/v1/chat/completions": "openai",
    "/chat/completions": "openai",
    "/v1/responses": "responses",
    "/responses": "responses",
    "/v1/messages": "claude",
}
GEMINI_VERBS = (":generateContent", ":streamGenerateContent", ":countTokens")
GEMINI = re.compile(
    r"/v1(?:beta|alpha)?/models/(?P<model>.+):(?P<verb>generateContent|streamGenerateContent|countTokens)"
)
REPLY = re.compile(r"(?:/v1)?/responses/(?P<id>[^/]+)(?P<what>/input_items|/cancel)?")
DEDICATED = re.compile(r"/v1/providers/(?P<provider>[^/]+)(?P<path>/.+)")
MODELS = re.compile(r"(?:/v1(?P<gemini>beta|alpha)?)?/models(?:/(?P<model>[^:]+))?")

HELLO = "/api/hello"
MANAGED = re.compile(r"/(?:api|omniroute)(?:[/?].*)?|/(?:healthz|readyz|metrics)(?:\?.*)?", re.DOTALL)


def is_managed(path: str) -> bool:
    """Return whether a path is of the management API or panel. Equivalent spellings do not match."""
    return path.startswith(("/a", "/o", "/h", "/r", "/m")) and bool(
        MANAGED.fullmatch(path) and path.partition("?")[0] != HELLO
    )


def claim(method: str, path: str) -> Claim:
    """Classify method and path (without the query). Raises NotFound, or GatewayError 405 for a wrong method."""
    path = re.sub(r"^/v1(?=/v1(?:/|$))", "", path)
    if len(path) > 1:
        path = path.rstrip("/")
    if path == HELLO:
        return Claim("hello", "claude")
    if chat := _chat(path):
        _only(method, "POST", path)
        return chat
    if path == "/v1/messages/count_tokens":
        _only(method, "POST", path)
        return Claim("count", "claude")
    if match := GEMINI.fullmatch(path):
        _only(method, "POST", path)
        if match["verb"] == "countTokens":
            return Claim("count", "gemini", unquote(match["model"]))
        streams = match["verb"] == "streamGenerateContent"
        return Claim("chat", "gemini", unquote(match["model"]), streams)
    if (match := REPLY.fullmatch(path)) and (found := _reply(method, path, unquote(match["id"]), match["what"])):
        return found
    if match := MODELS.fullmatch(path):
        _only(method, "GET", path)
        dialect: DialectName = "gemini" if match["gemini"] else "openai"
        if model := match["model"]:
            return Claim("model", dialect, unquote(model))
        return Claim("models", dialect)
    raise NotFound(f"no such path here: {method} {path[:200]}")


def _reply(method: str, path: str, reply: str, what: str | None) -> Claim | None:
    if what == "/cancel":
        _only(method, "POST", path)
        return Claim("cancel", "responses", reply=reply)
    if what == "/input_items":
        _only(method, "GET", path)
        return Claim("reply_input", "responses", reply=reply)
    if method == "POST":
        return None  # OpenAI has POST paths below `/responses` that name no reply; they are not served here
    if method == "DELETE":
        return Claim("forget", "responses", reply=reply)
    _only(method, "GET", path)
    return Claim("reply", "responses", reply=reply)


def _chat(path: str) -> Claim | None:
    match = DEDICATED.fullmatch(path)
    dialect = CHAT.get(f"/v1{match['path']}" if match else path)
    if dialect is None:
        return None
    return Claim("chat", dialect, provider=unquote(match["provider"]) if match else None)


def _only(method: str, allowed: str, path: str) -> None:
    if method != allowed and not (method == "HEAD" and allowed == "GET"):
        raise GatewayError(f"{path} takes {allowed}, not {method[:20]}", status=405)


def dialect_of(path: str) -> DialectName:
    """Guess the dialect for the error response to an unknown path."""
    if "/messages" in path or path.startswith(HELLO):
        return "claude"
    if path.startswith(("/v1beta", "/v1alpha")) or any(verb in path for verb in GEMINI_VERBS):
        return "gemini"
    return "responses" if "/responses" in path else "openai"
