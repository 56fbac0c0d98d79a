"""Capabilities of OpenAI-compatible models, derived from the model name.

An unknown name gets the defaults that most upstreams accept.
"""

import re

GPT = re.compile(r"(?:^|/)gpt-(\d{1,2})(?:\.(\d{1,2}))?(?![\do])")
REASONS = re.compile(r"(?:^|/)(?:o\d|gpt-oss|codex-mini|gemini-(?:2\.5|[3-9])|grok-3-mini)")
OWN = re.compile(r"(?:^|/)(?:o\d|codex-mini)")
MADE_BY_OPENAI = re.compile(r"(?:^|/)(?:gpt-\d|chatgpt-|o\d|codex-mini)")
AT_GOOGLE = re.compile(r"(?:models/)?gemini-")
PRO = re.compile(r"(?:^|/)gpt-5(?:\.\d+)?-pro")
CHATS = re.compile(r"gpt-[\d.]+-chat")


def version(model: str) -> tuple[int, int] | None:
    """Return the version of a GPT model, e.g. (5, 1) for `gpt-5.1-codex`; None for any other model."""
    found = GPT.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def reasons(model: str) -> bool:
    """Return whether the model is known to accept `reasoning_effort`; others reject a request that contains it."""
    return is_own_reasoner(model) or bool(REASONS.search(model))


def is_own_reasoner(model: str) -> bool:
    """Return whether the model is an OpenAI reasoning model; these reject several fields of older models."""
    return not chats(model) and ((version(model) or (0, 0)) >= (5, 0) or bool(OWN.search(model)))


def is_openais(model: str) -> bool:
    """Return whether OpenAI made the model; its servers accept every documented field."""
    return bool(MADE_BY_OPENAI.search(model))


def chats(model: str) -> bool:
    """Return whether the model is a ChatGPT model (`gpt-*-chat`), which accepts fewer fields than its family."""
    return bool(CHATS.search(model))


def is_at_google(model: str) -> bool:
    """Return whether the model is a Gemini model at Google's own OpenAI-compatible endpoint."""
    return bool(AT_GOOGLE.match(model))


def is_gemini_at_openrouter(model: str) -> bool:
    return model.startswith("google/gemini-")


def limits_all_output(model: str) -> bool:
    """Return whether the model requires `max_completion_tokens`; all others understand `max_tokens`."""
    return (version(model) or (0, 0)) >= (5, 0) or is_own_reasoner(model)


def takes_sampling(model: str, effort: str | None) -> bool:
    """Return whether the model accepts sampling fields such as temperature and stop sequences.

    OpenAI reasoning models accept them only with reasoning effort `none`.
    """
    return not is_own_reasoner(model) or effort == "none"


def takes_parallel(model: str) -> bool:
    """Return whether the model accepts `parallel_tool_calls`."""
    return not OWN.search(model)


def effort(model: str, wanted: str) -> str | None:
    """Return the supported reasoning effort nearest to `wanted`, or None if the model supports no effort."""
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
