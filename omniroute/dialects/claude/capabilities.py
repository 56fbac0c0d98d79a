"""Capabilities of Claude models, derived from the model name.

An unknown name gets the defaults that most upstreams accept.
"""

import re

CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
TAKES_EFFORT = re.compile(r"claude-opus-4[-.]5(?!\d)")
ALWAYS_THINK = re.compile(r"claude-(?:fable|mythos)")
FIRST_THINKING = (3, 7)
FIRST_PICKY = (4, 1)
FIRST_STRICT = (4, 5)
FIRST_ADAPTIVE = (4, 6)
FIRST_WITHOUT_SAMPLING = (4, 7)
FIRST_WITHOUT_BUDGET = (4, 7)
FIRST_XHIGH = (4, 7)
FIRST_SYSTEM_TURNS = (4, 8)
FIRST_THINKING_UNASKED = (5, 0)
FIRST_ALWAYS_THINKING = (5, 5)


def version(model: str) -> tuple[int, int] | None:
    """Return the version of a Claude model: (3, 7) for `claude-3-7-sonnet-20250219`, (5, 0) for `claude-opus-5`.

    Return None for any other model.
    """
    if ALWAYS_THINK.search(model):
        return FIRST_ALWAYS_THINKING
    found = CLAUDE.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def _since(model: str, first: tuple[int, int]) -> bool:
    return (version(model) or (0, 0)) >= first


def thinks(model: str) -> bool:
    """Return whether the model accepts `thinking` at all."""
    return (version(model) or FIRST_THINKING) >= FIRST_THINKING


def thinks_adaptively(model: str) -> bool:
    """Return whether the model supports adaptive thinking, controlled by an effort instead of a budget."""
    return _since(model, FIRST_ADAPTIVE)


def takes_budget(model: str) -> bool:
    """Return whether the model accepts a thinking budget; the newest models only think adaptively."""
    return not _since(model, FIRST_WITHOUT_BUDGET)


def takes_effort(model: str) -> bool:
    """Return whether the model accepts `output_config.effort`."""
    return thinks_adaptively(model) or bool(TAKES_EFFORT.search(model))


def effort(model: str, wanted: str) -> str:
    """Return the supported effort nearest to `wanted`."""
    known = {"minimal": "low"}
    if not _since(model, FIRST_XHIGH):
        known["xhigh"] = "high"
    if not thinks_adaptively(model):
        known["max"] = "high"
    return known.get(wanted, wanted)


def takes_prefill(model: str) -> bool:
    """Return whether the last turn may be an assistant turn (prefill) that the model continues."""
    return not thinks_adaptively(model)


def thinks_unasked(model: str) -> bool:
    """Return whether the model thinks unless thinking is disabled; True for an unknown model, as the safe default."""
    return (version(model) or FIRST_THINKING_UNASKED) >= FIRST_THINKING_UNASKED


def always_thinks(model: str) -> bool:
    """Return whether thinking cannot be disabled; such a model also rejects a forced tool call."""
    return _since(model, FIRST_ALWAYS_THINKING)


def takes_strict(model: str) -> bool:
    """Return whether the model accepts `strict` tools."""
    return _since(model, FIRST_STRICT)


def takes_sampling(model: str) -> bool:
    """Return whether the model accepts `temperature`, `top_p` and `top_k`."""
    return not _since(model, FIRST_WITHOUT_SAMPLING)


def takes_one_sampling(model: str) -> bool:
    """Return whether the model rejects `temperature` and `top_p` together."""
    return _since(model, FIRST_PICKY)


def takes_system_turns(model: str) -> bool:
    """Return whether a system message may stand between turns."""
    return _since(model, FIRST_SYSTEM_TURNS)
