"""Shaping Gemini requests, in either of the spellings that they come in."""

from typing import Any

from omniroute.dialects.gemini import capabilities
from omniroute.dialects.gemini.field_case import camel
from omniroute.dialects.ir import Body
from omniroute.dialects.losses import Losses
from omniroute.dialects.shaping.common import before, part_before

CONFIG = ("generationConfig", "generation_config")
THINKING = ("thinkingConfig", "thinking_config")
SYSTEM = ("systemInstruction", "system_instruction")
CACHED = ("cachedContent", "cached_content")
LIMITS: tuple[tuple[str, ...], ...] = tuple(
    (config, limit) for config in CONFIG for limit in ("maxOutputTokens", "max_output_tokens")
)


def instruct(body: Body, prompt: str) -> bool:
    """Put a prompt before the client's own; False where it cannot be: what Google keeps has its own one in it."""
    if any(body.get(name) is not None for name in CACHED):
        return False
    name = _name(body, SYSTEM)
    said: Any = body.get(name)
    match said:
        case {"parts": list(parts)}:
            body[name] = {**said, "parts": part_before(parts, {"text": prompt})}
        case {"parts": dict(part)}:
            body[name] = {**said, "parts": part_before([part], {"text": prompt})}
        case str(text):
            body[name] = before(prompt, text)
        case None:
            body[name] = {"parts": [{"text": prompt}]}
        case _:
            return False
    return True


def knows_budgets(model: str) -> bool:
    return not capabilities.takes_levels(model)


def strip(body: Body) -> None:
    """Let the model think as much as it likes."""
    _put(body, {})


def think(body: Body, model: str, wanted: int | str, losses: Losses) -> None:
    """Let the model think so much; whether it tells of it is the client's business."""
    said = _said(body)
    if not capabilities.thinks(model) or not (said or capabilities.known(model)):
        return
    shown = {key: value for key, value in said.items() if camel({key: value}).keys() == {"includeThoughts"}}
    if wanted in (0, "none"):
        _put(body, shown | capabilities.least(model))
        if not capabilities.can_stop_thinking(model):
            losses.add("thinkingConfig")
    elif isinstance(wanted, int):
        _put(body, shown | {"thinkingBudget": capabilities.fit_budget(model, wanted)})
    elif capabilities.takes_levels(model):
        _put(body, shown | {"thinkingLevel": capabilities.level(model, wanted)})
    else:
        _put(body, shown | {"thinkingBudget": capabilities.budget(model, wanted)})


def fit(body: Body, model: str, losses: Losses) -> None:
    """Change what the model would refuse, though the one that the client asked for takes it."""
    said = _said(body)
    if not said or not capabilities.known(model):
        return
    if not capabilities.thinks(model):
        strip(body)
        return
    now = camel(said)
    shown = {key: value for key, value in now.items() if key == "includeThoughts"}
    level, budget = now.get("thinkingLevel"), now.get("thinkingBudget")
    if isinstance(level, str):
        if not capabilities.takes_levels(model):
            _put(body, shown | {"thinkingBudget": capabilities.budget(model, level.lower())})
        elif (known := capabilities.level(model, level.lower())) != level.upper():
            _put(body, shown | {"thinkingLevel": known})
    elif budget == 0 and not capabilities.can_stop_thinking(model):
        _put(body, shown | capabilities.least(model))
    elif isinstance(budget, int) and budget > 0 and (fitting := capabilities.fit_budget(model, budget)) != budget:
        _put(body, shown | {"thinkingBudget": fitting})


def _name(body: Body, names: tuple[str, ...]) -> str:
    return next((name for name in names if body.get(name) is not None), names[0])


def _said(body: Body) -> Body:
    config = body.get(_name(body, CONFIG)) or {}
    said: Any = config.get(_name(config, THINKING)) or {}
    return dict(said)


def _put(body: Body, thinking: Body) -> None:
    """Say how to think where the client does; nothing is to say nothing."""
    where = _name(body, CONFIG)
    config = body.get(where) or {}
    name = _name(config, THINKING)
    rest = {key: value for key, value in config.items() if key not in THINKING}
    if thinking:
        body[where] = rest | {name: thinking}
    elif rest:
        body[where] = rest
    else:
        body.pop(where, None)
