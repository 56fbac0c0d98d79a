"""What a family of models takes, read off its name. A name that tells nothing gets what the most upstreams take."""

import re

GPT = re.compile(r"(?:^|/)gpt-(\d{1,2})(?:\.(\d{1,2}))?(?![\do])")
REASONS = re.compile(r"(?:^|/)(?:o\d|gpt-oss|codex-mini|gemini-(?:2\.5|[3-9])|grok-3-mini)")
OWN = re.compile(r"(?:^|/)(?:o\d|codex-mini)")
MADE_BY_OPENAI = re.compile(r"(?:^|/)(?:gpt-\d|chatgpt-|o\d|codex-mini)")
AT_GOOGLE = re.compile(r"(?:models/)?gemini-")
PRO = re.compile(r"(?:^|/)gpt-5(?:\.\d+)?-pro")
CHATS = re.compile(r"gpt-[\d.]+-chat")


def version(model: str) -> tuple[int, int] | None:
    """Give the number of a GPT model: `gpt-5.1-codex` is (5, 1)."""
    found = GPT.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def reasons(model: str) -> bool:
    """Whether it is known to take `reasoning_effort`; others refuse the whole request for it."""
    return is_own_reasoner(model) or bool(REASONS.search(model))


def is_own_reasoner(model: str) -> bool:
    """Whether it is one of OpenAI's reasoning models, which leave several fields of the older ones behind."""
    return not chats(model) and ((version(model) or (0, 0)) >= (5, 0) or bool(OWN.search(model)))


def is_openais(model: str) -> bool:
    """Whether it is one of OpenAI's own, whose servers take each field that it documents."""
    return bool(MADE_BY_OPENAI.search(model))


def chats(model: str) -> bool:
    """Whether it is the one behind ChatGPT, which takes less than its family does."""
    return bool(CHATS.search(model))


def is_at_google(model: str) -> bool:
    """Whether it is a Gemini at Google's own OpenAI-compatible endpoint."""
    return bool(AT_GOOGLE.match(model))


def is_gemini_at_openrouter(model: str) -> bool:
    return model.startswith("google/gemini-")


def limits_all_output(model: str) -> bool:
    """Whether it wants `max_completion_tokens`; `max_tokens` is what everyone else knows."""
    return (version(model) or (0, 0)) >= (5, 0) or is_own_reasoner(model)


def takes_sampling(model: str, effort: str | None) -> bool:
    """Whether it takes temperature, stop sequences and the like: a reasoner does only while it does not reason."""
    return not is_own_reasoner(model) or effort == "none"


def takes_parallel(model: str) -> bool:
    """Whether it can be told to call several tools at once, or not to."""
    return not OWN.search(model)


def effort(model: str, wanted: str) -> str | None:
    """Give the nearest effort that the model knows; None where it knows none."""
    if not reasons(model):
        return None
    number = version(model)
    if PRO.search(model):
        nearest = {"off": "medium", "minimal": "medium", "low": "medium", "max": "xhigh"}
        return nearest.get(wanted, wanted) if number and number >= (5, 2) else "high"
    match wanted:
        case "off" | "minimal" if "codex" in model:
            return "low"
        case "off":
            return "none" if number and number >= (5, 1) else "minimal" if number else None
        case "minimal":
            return "minimal" if number and number < (5, 1) else "low"
        case "xhigh" | "max":
            return "xhigh" if number and number >= (5, 2) else "high"
        case _:
            return wanted
