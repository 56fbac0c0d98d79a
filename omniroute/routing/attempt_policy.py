"""Deadlines, hedging, resuming and retries of a target, from combo, all combos, provider, or global settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from omniroute.catalog.reasoning_models import is_reasoning_model, requests_reasoning
from omniroute.config.deadlines import PHASES, THINKING, Deadlines
from omniroute.config.model import Combo, Config
from omniroute.config.settings import ComboDefaults, Settings
from omniroute.routing.failures import Failure, cause
from omniroute.routing.target import Target


@dataclass(frozen=True, slots=True)
class EffectiveTimeout:
    """A deadline in seconds, and which setting it comes from."""

    seconds: float
    by: str
    thinking: bool = False
    """Whether it was extended because the model reasons."""


def timeouts_for(target: Target, rules: Settings, *, thinking: bool) -> Mapping[str, EffectiveTimeout]:
    """Return the deadlines of a target by phase, each with its origin."""
    longer = rules.deadlines.thinking if thinking or is_reasoning_model(target.model) else 1.0
    found = {}
    for phase in PHASES:
        by, seconds = _said(target, phase, rules)
        times = longer if phase in THINKING else 1.0
        found[phase] = EffectiveTimeout(seconds * times, by, thinking=times != 1)
    return found


def deadlines_of(target: Target, rules: Settings, *, thinking: bool = False) -> Deadlines:
    """Return the deadlines of a target in seconds."""
    combo = target.path.combo
    alone = combo is None or (not combo.tries.deadlines and not _of_combos(rules.combo))
    if (
        alone
        and target.provider.id not in rules.provider_deadlines
        and not thinking
        and not is_reasoning_model(target.model)
    ):
        return rules.deadlines  # the common case: nothing to merge
    found = timeouts_for(target, rules, thinking=thinking)
    return Deadlines(**{phase: said.seconds for phase, said in found.items()})


def wants_reasoning(body: Mapping[str, Any], rules: Settings) -> bool:
    """Return whether the model is asked to reason: by the client's request, unless the settings override it."""
    thinking = rules.thinking
    match thinking.mode:
        case "passthrough":
            return requests_reasoning(body)
        case "custom":
            return thinking.budget > 0 if thinking.effort is None else thinking.effort != "none"
        case mode:
            return mode == "adaptive"


def deadline_of(target: Target, phase: Literal["queue", "total"], rules: Settings) -> float:
    """Return, in seconds, one of the deadlines that reasoning does not extend."""
    return _said(target, phase, rules)[1]


def _said(target: Target, phase: str, rules: Settings) -> tuple[str, float]:
    combo = target.path.combo
    if combo is not None:
        if (seconds := combo.tries.deadlines.get(phase)) is not None:
            return f"the combo {combo.name}", seconds
        if (seconds := _of_combos(rules.combo).get(phase)) is not None:
            return "all combos", seconds
    if (own := rules.provider_deadlines.get(target.provider.id)) and phase in own:
        return target.provider.id, own[phase]
    return "all", getattr(rules.deadlines, phase)


@lru_cache(maxsize=64)
def _of_combos(combos: ComboDefaults) -> Mapping[str, float]:
    return combos.deadlines


def longest_deadline(config: Config) -> float:
    """Return the longest deadline of any phase but `total`, in seconds: the maximum wait without any upstream data."""
    rules = config.rules
    levels = [
        {phase: getattr(rules.deadlines, phase) for phase in PHASES},
        rules.combo.deadlines,
        *rules.provider_deadlines.values(),
    ]
    levels += [combo.tries.deadlines for combo in config.combos.values()]
    found = [
        seconds * (rules.deadlines.thinking if phase in THINKING else 1.0)
        for level in levels
        for phase, seconds in level.items()
        if phase != "total"
    ]
    return float(max(found))


type Switch = Literal["hedge", "resume"]


@dataclass(frozen=True, slots=True)
class FeatureFlag:
    """Whether a feature is enabled for a target, and which setting says so."""

    enabled: bool
    by: str


def feature_flag(what: Switch, target: Target, rules: Settings) -> FeatureFlag:
    """Return whether hedging (`hedge`) or resuming an interrupted answer (`resume`) is enabled for a target."""
    if (combo := target.path.combo) is not None:
        own: bool | None = getattr(combo.tries, what)
        of_all: bool | None = getattr(rules.combo, what)
        if own is not None:
            return FeatureFlag(own, f"the combo {combo.name}")
        if of_all is not None:
            return FeatureFlag(of_all, "all combos")
    enabled = rules.hedge.enabled if what == "hedge" else rules.resume.enabled
    return FeatureFlag(enabled, "all")


MAY_PASS = frozenset({"rate", "overload", "server", "network", "timeout"})
"""Causes that may have passed on a retry of the same target."""
NOT_AGAIN = frozenset({"deadline", "tls"})
"""Failure kinds not to retry: another full deadline would take too long, and an invalid certificate stays invalid."""


def retry_delay(failure: Failure, combo: Combo | None, rules: Settings, repeats: int) -> float | None:
    """Return the seconds after which to retry the same target; None to fail over to the next one.

    `repeats` is the number of retries so far. A target with a Retry-After longer than the delay is not retried.
    """
    if combo is None:
        return None
    retries = rules.combo.retries if combo.tries.retries is None else combo.tries.retries
    pause = rules.combo.retry_delay if combo.tries.retry_delay is None else combo.tries.retry_delay
    if repeats >= retries or (failure.retry_after or 0.0) > pause:
        return None
    return pause if failure.kind not in NOT_AGAIN and cause(failure) in MAY_PASS else None
