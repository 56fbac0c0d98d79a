"""What the settings ask of a request, and what a model that stands in for another one needs.

It acts on the request as its upstream is to be told it, in the upstream's dialect. What it has no reason to change
stays as it is, to the byte. Doing it twice is doing it once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omniroute.dialects.dialect import UNREADABLE
from omniroute.dialects.ir import Body
from omniroute.dialects.losses import Losses
from omniroute.dialects.shaping import claude, gemini, openai, responses
from omniroute.dialects.shaping.common import Shape, wanted


@dataclass(frozen=True, slots=True)
class Shaper:
    """One dialect's part. All of it changes the body that it is given, and nothing inside of its fields."""

    limits: tuple[tuple[str, ...], ...]
    """Where the most tokens of an answer are said."""
    instruct: Callable[[Body, str], bool]
    knows_budgets: Callable[[str], bool]
    strip: Callable[[Body], None]
    think: Callable[[Body, str, int | str, Losses], None]
    fit: Callable[[Body, str, Losses], None]


SHAPERS = {
    name: Shaper(part.LIMITS, part.instruct, part.knows_budgets, part.strip, part.think, part.fit)
    for name, part in (("openai", openai), ("responses", responses), ("claude", claude), ("gemini", gemini))
}


@dataclass(frozen=True, slots=True)
class ShapedRequest:
    body: Body
    dropped: tuple[str, ...] = ()
    """What the client has said that was left out or changed to be taken, and what was wanted and could not be."""


def shape_request(
    dialect: str, body: Body, *, model: str, shape: Shape, renamed: bool, max_output: int | None
) -> ShapedRequest:
    """Give the request as it is to be asked; a body that is not as its dialect has it stays for others to refuse.

    `renamed` says that the model is not the one that the client has named: only then is what it would refuse
    changed for it.
    """
    shaper, losses = SHAPERS[dialect], Losses()
    made = dict(body)
    try:
        if renamed and max_output is not None:
            for path in shaper.limits:
                _cap(made, path, max_output, losses)
        _think(shaper, made, model, shape, losses)
        if renamed:
            before = dict(made)
            shaper.fit(made, model, losses)
            for name in _changed(before, made):
                losses.add(name)
        if shape.system_prompt and not shaper.instruct(made, shape.system_prompt):
            losses.add("system_prompt")
    except UNREADABLE:
        return ShapedRequest(body)
    return ShapedRequest(made, losses.names)


def _think(shaper: Shaper, body: Body, model: str, shape: Shape, losses: Losses) -> None:
    match shape.thinking.mode:
        case "auto":
            shaper.strip(body)
        case "custom" | "adaptive":
            how = wanted(shape.thinking, body, knows_budgets=shaper.knows_budgets(model))
            shaper.think(body, model, how, losses)


def _cap(body: Body, path: tuple[str, ...], most: int, losses: Losses) -> None:
    head, *rest = path
    value: Any = body.get(head)
    if rest and isinstance(value, dict):
        inner = dict(value)
        _cap(inner, tuple(rest), most, losses)
        if inner != value:
            body[head] = inner
    elif isinstance(value, int) and value > most:
        body[head] = most
        losses.add(head)


def _changed(before: Body, after: Body) -> list[str]:
    """Name the fields that are gone or say something else; one that has only another name is none."""
    values = [*after.values()]
    return [
        name
        for name, value in before.items()
        if after.get(name) is not value and after.get(name) != value and (name in after or value not in values)
    ]
