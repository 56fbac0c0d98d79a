"""The settings that choosing goes by: one table says what there is, what it takes and what it does.

A rule that names a provider or a combo goes before the one for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

type AccountStrategy = Literal["fill-first", "round-robin", "p2c", "random", "least-used", "cost-optimized"]
type ComboStrategy = Literal["priority", "round-robin", "random", "weighted", "least-used", "cost-optimized"]

ACCOUNT_STRATEGIES: tuple[str, ...] = get_args(AccountStrategy.__value__)
COMBO_STRATEGIES: tuple[str, ...] = get_args(ComboStrategy.__value__)
MAX_STICKY = 1000
MAX_RETRIES = 10
MAX_DELAY = 30.0
MAX_DEADLINE = 86400.0
PHASES = ("connect", "first_byte", "first_content", "idle")
"""The deadlines that a combo may set for its own targets, in seconds."""


@dataclass(frozen=True, slots=True)
class Tries:
    """How a combo asks each of its targets. None goes by the rule for all combos."""

    retries: int | None = None
    """How often a target is asked again after a failure that may pass, before the next one is asked."""
    retry_delay: float | None = None
    """Seconds before each of these."""
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Phase -> seconds."""


@dataclass(frozen=True, slots=True)
class Rules:
    """All settings of choosing, each with what holds where nobody has set it."""

    strategy: str = "fill-first"
    strategies: Mapping[str, str] = field(default_factory=dict)
    """Provider id -> its own strategy."""
    sticky_limit: int = 3
    affinity: bool = True
    combo_strategy: str = "priority"
    combo_tries: Tries = field(default_factory=Tries)
    blocked: frozenset[str] = frozenset()
    """Ids of providers that nobody may ask."""

    def strategy_of(self, provider: str) -> str:
        """Say how the accounts of a provider are ordered."""
        return self.strategies.get(provider, self.strategy)


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Take one of some words; ValueError names them all."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is one of {', '.join(choices)}")
        return text

    return read


def whole(most: int) -> Callable[[str], int]:
    """Take a whole number from 0 to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and int(text) <= most):
            raise ValueError(f"takes a whole number from 0 to {most}")
        return int(text)

    return read


def seconds(most: float, *, least: float = 0.0) -> Callable[[str], float]:
    """Take seconds from `least` to `most`; 0 only where `least` is not above it."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not least <= number <= most:
            raise ValueError(f"takes seconds from {least:g} to {most:g}")
        return number

    return read


def switch(text: str) -> bool:
    """Take on or off, in the words that people use for it."""
    match text.lower():
        case "on" | "true" | "yes" | "1":
            return True
        case "off" | "false" | "no" | "0":
            return False
    raise ValueError("takes on or off")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that a person may change."""

    name: str
    read: Callable[[str], Any]
    """Text -> value; ValueError says what it takes."""
    help: str


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("strategy", one_of(ACCOUNT_STRATEGIES), "In which order the accounts of a provider are asked."),
        Setting("sticky_limit", whole(MAX_STICKY), "Calls in a row for one account in round-robin."),
        Setting("affinity", switch, "Keep a conversation on its account while that works, so that prompt caches hit."),
        Setting("combo.strategy", one_of(COMBO_STRATEGIES), "Order of a combo that has no strategy of its own."),
        Setting("combo.retries", whole(MAX_RETRIES), "How often a combo asks a target again before the next one."),
        Setting("combo.retry_delay", seconds(MAX_DELAY), "Seconds before a combo asks a target again."),
        *(
            Setting(f"combo.{phase}_timeout", seconds(MAX_DEADLINE, least=0.001), f"A combo's deadline: {phase}.")
            for phase in PHASES
        ),
    )
}
"""`strategy.PROVIDER` is a setting too, for each provider and node."""


def rules(values: Mapping[str, Any], blocked: frozenset[str] = frozenset()) -> Rules:
    """Make the rules out of the settings that somebody has set."""
    plain = {f.name for f in fields(Rules)} & values.keys() - {"strategies", "blocked", "combo_tries"}
    return Rules(
        **{name: values[name] for name in plain},
        strategies={name.partition(".")[2]: value for name, value in values.items() if name.startswith("strategy.")},
        combo_strategy=values.get("combo.strategy", "priority"),
        combo_tries=Tries(
            values.get("combo.retries"),
            values.get("combo.retry_delay"),
            {phase: values[name] for phase in PHASES if (name := f"combo.{phase}_timeout") in values},
        ),
        blocked=blocked,
    )
