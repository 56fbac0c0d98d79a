"""What a person may want of every request, whoever sends it."""

from dataclasses import dataclass, field

MODES = ("passthrough", "auto", "custom", "adaptive")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MAX_BUDGET = 131_072
MAX_PROMPT = 65_536
"""Bytes of the system prompt."""


@dataclass(frozen=True, slots=True)
class ThinkingRules:
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

    thinking: ThinkingRules = field(default_factory=ThinkingRules)
    system_prompt: str = ""

    @property
    def idle(self) -> bool:
        """Whether it leaves every request as it is."""
        return self.thinking.mode == "passthrough" and not self.system_prompt
