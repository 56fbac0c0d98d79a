"""Fields that OpenAI has in both of its dialects, and that servers of other models may refuse.

What a client says there is carried from one of the dialects to the other, but to OpenAI's own models alone.
"""

from typing import Any

from omniroute.dialects.ir import Body, Message, Request, Text
from omniroute.dialects.names import derive_id
from omniroute.dialects.openai import models
from omniroute.dialects.read import optional
from omniroute.dialects.written import Losses

FIELDS: dict[str, type] = {
    **dict.fromkeys(("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier"), str),
    **{"verbosity": str, "metadata": dict},
}
FIRST_EXTENDED_CACHE = (4, 1)
FIRST_VERBOSE = (5, 0)


def read_own(body: Body) -> dict[str, Any]:
    """Read the fields, by their names in Chat Completions."""
    return {key: value for key, kind in FIELDS.items() if (value := optional(body, key, kind)) is not None}


def write_own(request: Request, losses: Losses, *, metadata: bool) -> Body:
    """Give the fields as the model takes them; `metadata` says whether they may stand beside `store: false`."""
    number = models.version(request.model) or (0, 0)
    takes = dict.fromkeys(FIELDS, models.is_openais(request.model))
    takes["metadata"] &= metadata
    takes["prompt_cache_retention"] &= number >= FIRST_EXTENDED_CACHE
    takes["verbosity"] &= number >= FIRST_VERBOSE and not models.chats(request.model)
    body: Body = {}
    for key in FIELDS:
        if (value := request.tuning.get(key)) is not None and takes[key]:
            body[key] = value
        elif value is not None:
            losses.add(key)
    if losses.has("cache_control") and takes["prompt_cache_key"]:
        # OpenAI caches by itself, and sends what has one key to the machine that holds its beginning.
        body.setdefault("prompt_cache_key", _cache_key(request))
        losses.forget("cache_control")
    return body


def _cache_key(request: Request) -> str:
    """Make a key that all turns of a conversation share.

    It is made of who is asking, where Claude Code names its session, or else of how the conversation begins.
    """
    if request.user is not None:
        return derive_id("", request.user)
    prompt = next((message for message in request.messages if message.role in {"system", "developer"}), None)
    said = next((message for message in request.messages if message.role == "user"), None)
    return derive_id("", _text(prompt), _text(said))


def _text(message: Message | None) -> str:
    parts = () if message is None else message.parts
    return "\n".join(part.text for part in parts if isinstance(part, Text))
