"""Detection of reasoning models by name, and of requests that ask for reasoning.

It only extends deadlines, so a wrong guess has no other effect.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_NAMES = re.compile(
    r"(?:^|[/-])(?:o[134](?:-|$)|gpt-5|gpt-oss|codex|qwq|magistral|r1(?:-|$)|deepseek-v4|grok-[4-9]|minimax-m|kimi-k2)"
    r"|gemini-(?:2\.5|[3-9][\d.]*)-(?:pro|flash(?!-lite))|(?<!non-)(?:reason|thinking|deep-research)"
)
_FIELDS = frozenset({"reasoning_effort", "reasoning", "thinking", "generationConfig", "generation_config"})
_OFF = frozenset({None, False, "none", "disabled", "off"})


@lru_cache(maxsize=4096)
def is_reasoning_model(model: str) -> bool:
    """Return whether a model reasons by default."""
    return _NAMES.search(model.casefold()) is not None


def requests_reasoning(body: Mapping[str, Any]) -> bool:
    """Return whether a request, in any dialect, asks the model to reason."""
    if _FIELDS.isdisjoint(body):
        return False
    if _says(body.get("reasoning_effort")) or _says(_inside(body.get("reasoning"), "effort", "max_tokens")):
        return True
    if _says(_inside(body.get("thinking"), "type")):
        return True
    config = body.get("generationConfig", body.get("generation_config"))
    if not isinstance(config, Mapping):
        return False
    how = config.get("thinkingConfig", config.get("thinking_config"))
    names = ("thinkingBudget", "thinking_budget", "thinkingLevel", "thinking_level")
    return _says(_inside(how, *names))


def _inside(value: Any, *names: str) -> Any:
    return next((value[name] for name in names if name in value), None) if isinstance(value, Mapping) else None


def _says(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and value not in _OFF
