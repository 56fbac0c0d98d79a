"""What a person may want of every request, whoever sends it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import dropwhile, takewhile
from typing import Any

from omniroute.dialects.ir import Body

MODES = ("passthrough", "auto", "custom", "adaptive")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MAX_BUDGET = 131_072
MAX_PROMPT = 65_536
"""Bytes of the system prompt."""


@dataclass(frozen=True, slots=True)
class ThinkingSettings:
    """How much models are to think."""

    mode: str = "passthrough"
    """`passthrough` as the client says, `auto` as the model likes, `custom` as said here, `adaptive` by the task."""
    budget: int = 10_240
    """Tokens, for `custom`."""
    effort: str | None = None
    """For `custom` in place of the tokens; for `adaptive` where it starts from, which is else `medium`."""


@dataclass(frozen=True, slots=True)
class Shape:
    """All that is done to a request beside saying it in another dialect.

    It decides, with the request, what a model is asked: a cache of answers has to have it in its keys. Equal
    shapes are equal values, and hash so.
    """

    thinking: ThinkingSettings = field(default_factory=ThinkingSettings)
    system_prompt: str = ""

    @property
    def idle(self) -> bool:
        """Whether it leaves every request as it is."""
        return self.thinking.mode == "passthrough" and not self.system_prompt


BASES = {"none": 0, "minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
NAMES = {2048: "low", 10_240: "medium", 32_768: "high", 65_536: "xhigh"}
"""Up to so many tokens an effort is called so; more is `max`."""
MANY_TOOLS, FOR_TOOLS = 3, 0.5
LONG_QUESTION, FOR_LENGTH = 2000, 0.3


def wanted(rules: ThinkingSettings, body: Body, *, knows_budgets: bool) -> int | str:
    """Give tokens or an effort, whichever the model knows; 0 and `none` are not to think.

    What is wanted must not change from turn to turn: at Anthropic each change of it makes the prompt cache of a
    conversation worthless. So `adaptive` looks only at what all turns begin with, the tools and the first thing
    that the user says; when these change, the cache is lost anyway.
    """
    if rules.mode == "custom" and rules.effort is not None:
        return rules.effort
    tokens = rules.budget
    if rules.mode == "adaptive":
        tools, length = _tools(body), len(_first_question(body))
        factor = 1 + FOR_TOOLS * (tools > MANY_TOOLS) + FOR_LENGTH * (length > LONG_QUESTION)
        tokens = min(int(BASES[rules.effort or "medium"] * factor), MAX_BUDGET)
    return tokens if knows_budgets else effort_of(tokens)


def effort_of(tokens: int) -> str:
    """Name a budget, for models that do not count in tokens."""
    return "none" if tokens == 0 else next((name for limit, name in NAMES.items() if tokens <= limit), "max")


def _tools(body: Body) -> int:
    tools = [tool for tool in body.get("tools") or () if isinstance(tool, dict)]
    return sum(len(tool.get("functionDeclarations") or tool.get("function_declarations") or (1,)) for tool in tools)


def _first_question(body: Body) -> str:
    """Give the last text of the first turn of the user: before it, agents tell of the place where they run."""
    said = body.get("messages") or body.get("input") or body.get("contents") or ()
    if isinstance(said, str):
        return said
    turns = [turn for turn in said if isinstance(turn, dict)]
    first = takewhile(_is_users, dropwhile(lambda turn: not _is_users(turn), turns))
    return next(iter(reversed([text for turn in first for text in _texts(turn)])), "")


def _is_users(turn: Body) -> bool:
    return (turn.get("role", "user"), turn.get("type", "message")) == ("user", "message")


def _texts(turn: Body) -> Iterator[str]:
    inner: Any = turn.get("content", turn.get("parts"))
    for part in [inner] if isinstance(inner, str) else inner or ():
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            yield text


def before(prompt: str, text: str) -> str:
    """Put a prompt before a text, with a blank line between them."""
    return text if text.startswith(prompt) else f"{prompt}\n\n{text}" if text else prompt


def part_before(parts: list[Any], part: Body) -> list[Any]:
    """Put a part before the others."""
    first = parts[0] if parts else None
    return parts if isinstance(first, dict) and first.get("text") == part["text"] else [part, *parts]
