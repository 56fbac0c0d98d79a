"""What a family of models takes, read off its name. A name that tells nothing gets what the most upstreams take."""

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
    """Give the number of a Claude model: `claude-3-7-sonnet-20250219` is (3, 7), `claude-opus-5` is (5, 0)."""
    if ALWAYS_THINK.search(model):
        return FIRST_ALWAYS_THINKING
    found = CLAUDE.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def _since(model: str, first: tuple[int, int]) -> bool:
    return (version(model) or (0, 0)) >= first


def thinks(model: str) -> bool:
    """Whether it takes `thinking` at all."""
    return (version(model) or FIRST_THINKING) >= FIRST_THINKING


def thinks_adaptively(model: str) -> bool:
    """Whether it sets its own budget and takes an effort instead; the newest take nothing else."""
    return _since(model, FIRST_ADAPTIVE)


def takes_budget(model: str) -> bool:
    """Whether it takes a budget; the newest only think adaptively."""
    return not _since(model, FIRST_WITHOUT_BUDGET)


def takes_effort(model: str) -> bool:
    """Whether it takes `output_config.effort`."""
    return thinks_adaptively(model) or bool(TAKES_EFFORT.search(model))


def effort(model: str, wanted: str) -> str:
    """Give the nearest effort that it knows."""
    known = {"minimal": "low"}
    if not _since(model, FIRST_XHIGH):
        known["xhigh"] = "high"
    if not thinks_adaptively(model):
        known["max"] = "high"
    return known.get(wanted, wanted)


def takes_prefill(model: str) -> bool:
    """Whether the last turn may be the assistant's, for it to go on from there."""
    return not thinks_adaptively(model)


def thinks_unasked(model: str) -> bool:
    """Whether it has to be told not to think; of an unknown model that is the safe guess."""
    return (version(model) or FIRST_THINKING_UNASKED) >= FIRST_THINKING_UNASKED


def always_thinks(model: str) -> bool:
    """Whether it refuses to be told not to think, and so refuses to be made to call a tool."""
    return _since(model, FIRST_ALWAYS_THINKING)


def takes_strict(model: str) -> bool:
    """Whether its tools may be `strict`."""
    return _since(model, FIRST_STRICT)


def takes_sampling(model: str) -> bool:
    """Whether it takes `temperature`, `top_p` and `top_k`."""
    return not _since(model, FIRST_WITHOUT_SAMPLING)


def takes_one_sampling(model: str) -> bool:
    """Whether it refuses `temperature` and `top_p` together."""
    return _since(model, FIRST_PICKY)


def takes_system_turns(model: str) -> bool:
    """Whether a system message may stand among the turns."""
    return _since(model, FIRST_SYSTEM_TURNS)
