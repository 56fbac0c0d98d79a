"""Capabilities of Gemini models, derived from the model name. An unknown name is treated as Gemini 2.5."""

import re

GEMINI = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")
FIRST_THINKING = (2, 5)
FIRST_LEVELS = (3, 0)
FIRST_MEDIUM = (3, 1)
BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}
LIMITS = {"pro": (128, 32_768), "flash-lite": (512, 24_576), "flash": (1, 24_576)}


def version(model: str) -> tuple[int, int]:
    found = GEMINI.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else FIRST_THINKING


def known(model: str) -> bool:
    """Return whether the name is that of a Gemini model with a version number."""
    return bool(GEMINI.search(model))


def thinks(model: str) -> bool:
    """Return whether the model accepts `thinkingConfig` at all."""
    return version(model) >= FIRST_THINKING


def takes_levels(model: str) -> bool:
    """Return whether the model takes a thinking level instead of a budget."""
    return version(model) >= FIRST_LEVELS


def can_stop_thinking(model: str) -> bool:
    return not takes_levels(model) and "pro" not in model


def least(model: str) -> dict[str, str | int]:
    """Return the `thinkingConfig` fields for the least thinking that the model supports."""
    if can_stop_thinking(model):
        return {"thinkingBudget": 0}
    return (
        {"thinkingLevel": level(model, "minimal")} if takes_levels(model) else {"thinkingBudget": fit_budget(model, 0)}
    )


def checks_signatures(model: str) -> bool:
    """Return whether the model rejects a tool call in the history without a thought signature."""
    return takes_levels(model)


def takes_format_with_tools(model: str) -> bool:
    """Return whether the model accepts JSON output together with tools."""
    return takes_levels(model)


def level(model: str, effort: str) -> str:
    """Return the supported thinking level nearest to an effort."""
    if effort == "minimal":
        return "LOW" if "pro" in model else "MINIMAL"
    if effort == "low":
        return "LOW"
    if effort == "medium" and ("pro" not in model or version(model) >= FIRST_MEDIUM):
        return "MEDIUM"
    return "HIGH"


def budget(model: str, effort: str) -> int:
    """Return the thinking budget for an effort, in tokens, within the model's limits."""
    return fit_budget(model, BUDGETS.get(effort, BUDGETS["high"]))


def fit_budget(model: str, wanted: int) -> int:
    """Clamp a thinking budget, in tokens, to the model's limits."""
    for family, (least, most) in LIMITS.items():
        if family in model:
            return min(max(wanted, least), most)
    return wanted
