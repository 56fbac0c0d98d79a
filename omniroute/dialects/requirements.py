"""What a request asks of a model: how much it says, whether it shows pictures, whether it brings tools.

Read from the client's own words, and only when somebody wants to know: most plans never ask.
"""

from functools import cached_property
from typing import Any

from omniroute.dialects.ir import Body
from omniroute.dialects.token_estimate import estimate_tokens

SAYS = ("system", "instructions", "messages", "input", "tools", "contents", "systemInstruction", "system_instruction")
"""The fields that a model reads; the others are settings."""
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
PICTURES = frozenset({"image", "image_url", "input_image"})
INLINE = ("inlineData", "inline_data", "fileData", "file_data")
INSIDE = ("content", "parts", "output", "response")
BYTES = 2
"""A token is longer than that, with all that JSON puts around it."""
USUAL_OUTPUT = 1000
"""Tokens of an answer whose length nobody has limited, for comparing prices."""


class Needs:
    """One request, looked at from the side of who might serve it."""

    def __init__(self, body: Body, size: int | None = None) -> None:
        """Take the body and how many bytes its text has; without that, every question about length is counted."""
        self.body = body
        self._size = size

    def look(self) -> None:
        """Look at all that takes time, so that no later question does."""
        _ = self.input, self.images

    def exceeds(self, limit: float) -> bool:
        """Say whether it has more tokens than that, without counting what is short for certain."""
        if self._size is not None and self._size < limit * BYTES:
            return False
        return self.input > limit

    @cached_property
    def input(self) -> int:
        """Estimate the tokens of all that is said."""
        return estimate_tokens([self.body[name] for name in SAYS if name in self.body])

    @cached_property
    def output(self) -> int:
        """Tokens of the longest answer that is wanted; a usual one where the client says nothing."""
        return USUAL_OUTPUT if self.limit is None else self.limit

    @cached_property
    def limit(self) -> int | None:
        """Tokens of the longest answer that the client allows; None where it says nothing."""
        config = self._config
        inside = config.get("maxOutputTokens", config.get("max_output_tokens"))
        return _first([inside, *(self.body.get(name) for name in LIMITS)])

    @property
    def answers(self) -> int:
        """How many answers are wanted at once."""
        config = self._config
        return _first([config.get("candidateCount", config.get("candidate_count")), self.body.get("n")]) or 1

    @property
    def _config(self) -> Body:
        config = self.body.get("generationConfig") or self.body.get("generation_config")
        return config if isinstance(config, dict) else {}

    @cached_property
    def tools(self) -> bool:
        """Whether tools are offered to the model."""
        return bool(self.body.get("tools") or self.body.get("functions"))

    @cached_property
    def images(self) -> bool:
        """Whether a picture is shown, in a message or in the result of a tool."""
        waiting: list[Any] = [self.body.get(name) for name in ("messages", "input", "contents")]
        while waiting:
            match waiting.pop():
                case list(items):
                    waiting += items
                case dict(part):
                    kind = part.get("type")
                    if isinstance(kind, str) and kind in PICTURES:
                        return True
                    if any(_is_picture(part[name]) for name in INLINE if name in part):
                        return True
                    waiting += [part[name] for name in INSIDE if name in part]
                case _:
                    pass
        return False


def _first(found: list[Any]) -> int | None:
    return next((number for number in found if type(number) is int and number > 0), None)


def _is_picture(data: Any) -> bool:
    mime = data.get("mimeType", data.get("mime_type")) if isinstance(data, dict) else None
    return isinstance(mime, str) and mime.startswith("image/")
