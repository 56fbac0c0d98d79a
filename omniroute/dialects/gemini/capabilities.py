"""What a family of Gemini models takes, read off its name. A name that tells nothing counts as of the second."""

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
    """Whether the name tells anything."""
    return bool(GEMINI.search(model))


def thinks(model: str) -> bool:
    """Whether it takes `thinkingConfig` at all."""
    return version(model) >= FIRST_THINKING


def takes_levels(model: str) -> bool:
    """Whether it is told how much to think by a level."""
    return version(model) >= FIRST_LEVELS


def can_stop_thinking(model: str) -> bool:
    return not takes_levels(model) and "pro" not in model


def least(model: str) -> dict[str, str | int]:
    """Say how to think as little as the model can."""
    if can_stop_thinking(model):
        return {"thinkingBudget": 0}
    return (
        {"thinkingLevel": level(model, "minimal")} if takes_levels(model) else {"thinkingBudget": fit_budget(model, 0)}
    )


def checks_signatures(model: str) -> bool:
    """Whether it refuses a call in the history that bears no thought signature."""
    return takes_levels(model)


def takes_format_with_tools(model: str) -> bool:
    """Whether the answer may have to be JSON while tools are offered."""
    return takes_levels(model)


def level(model: str, effort: str) -> str:
    """Give the level that an effort is called, or the nearest one there is."""
    if effort == "minimal":
        return "LOW" if "pro" in model else "MINIMAL"
    if effort == "low":
        return "LOW"
    if effort == "medium" and ("pro" not in model or version(model) >= FIRST_MEDIUM):
        return "MEDIUM"
    return "HIGH"


def budget(model: str, effort: str) -> int:
    """Give the tokens of thinking that an effort means."""
    return fit_budget(model, BUDGETS.get(effort, BUDGETS["high"]))


def fit_budget(model: str, wanted: int) -> int:
    """Bring a budget within what the model takes."""
    for family, (least, most) in LIMITS.items():
        if family in model:
            return min(max(wanted, least), most)
    return wanted
