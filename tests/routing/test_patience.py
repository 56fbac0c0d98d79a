"""Deadlines: who is heard first, and which models are waited for longer."""

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.provider import Provider
from omniroute.catalog.reasoning_models import is_reasoning_model, requests_reasoning
from omniroute.config.deadlines import PHASES, THINKING, Deadlines, DeadlineSettings
from omniroute.config.model import Account, Combo, Config
from omniroute.config.settings import ComboDefaults, RetrySettings, Settings, settings_of
from omniroute.dialects.shaping.common import ThinkingSettings
from omniroute.routing.attempt_policy import deadline_of, deadlines_of, longest_deadline, timeouts_for, wants_reasoning
from omniroute.routing.target import RoutePath, Target

HOME = Provider("home", "home", "Home", "http://127.0.0.1:1", {"openai": "/chat/completions"})
SECONDS = st.floats(0.001, 86400)
SOME = st.dictionaries(st.sampled_from(sorted(PHASES)), SECONDS)


def target(combo: Combo | None = None, model: str = "m") -> Target:
    return Target(Account("a", "home", "a"), HOME, model, "openai", RoutePath("asked for by name", combo), "")


@given(SOME, SOME, SOME, st.fixed_dictionaries({phase: SECONDS for phase in PHASES}), st.booleans())
def test_the_combo_then_all_combos_then_the_provider_then_all(own, combos, provider, everybody, in_combo) -> None:
    made = Settings(
        deadlines=DeadlineSettings(**everybody, thinking=1.0),
        provider_deadlines={"home": provider},
        combo=ComboDefaults(**{f"{phase}_timeout": seconds for phase, seconds in combos.items()}),
    )
    asked = target(Combo("mix", ("home/m",), tries=RetrySettings(deadlines=own)) if in_combo else None)
    expected = {**everybody, **provider, **(combos | own if in_combo else {})}
    assert deadlines_of(asked, made) == Deadlines(**expected)
    for phase, said in timeouts_for(asked, made, thinking=False).items():
        levels = [("the combo mix", own), ("all combos", combos)] if in_combo else []
        levels += [("home", provider), ("all", everybody)]
        assert said.by == next(name for name, level in levels if phase in level)
    for phase in ("queue", "total"):
        assert deadline_of(asked, phase, made) == expected[phase]
    config = Config(rules=made, combos={"mix": asked.path.combo} if asked.path.combo else {})
    assert longest_deadline(config) >= max(seconds for phase, seconds in expected.items() if phase != "total")


def test_settings_of_a_provider_are_read_by_its_name() -> None:
    found = settings_of({"deadlines.idle": 5.0, "deadlines.my.node.idle": 2.0, "deadlines.my.node.total": 9.0})
    assert found.deadlines.idle == 5.0
    assert found.provider_deadlines == {"my.node": {"idle": 2.0, "total": 9.0}}


@given(st.booleans(), st.booleans(), st.floats(1, 100))
def test_who_thinks_is_waited_for_longer(named, asked, times) -> None:
    made = Settings(deadlines=DeadlineSettings(thinking=times))
    found = deadlines_of(target(model="o3-mini" if named else "gpt-4o"), made, thinking=asked)
    for phase in PHASES:
        longer = times if phase in THINKING and (named or asked) else 1
        assert getattr(found, phase) == getattr(Deadlines(), phase) * longer


@every(
    "model",
    [
        *("o1", "o3-mini", "o4-mini-2025-04-16", "openai/gpt-5", "gpt-5.1-codex", "gpt-oss-120b", "deepseek-reasoner"),
        *("gemini-2.5-pro", "gemini-3-pro-preview", "gemini-2.5-flash", "grok-4", "qwq-32b", "sonar-deep-research"),
        *("Qwen3-30B-Thinking", "deepseek/deepseek-r1", "grok-4-fast-reasoning", "kimi-k2-thinking"),
    ],
)
def test_models_that_think(model) -> None:
    assert is_reasoning_model(model)


@every(
    "model",
    ["gpt-4o", "gpt-4.1", "claude-sonnet-4-5", "gemini-2.5-flash-lite", "llama-3.3-70b", "mistral-large", "m", "yolo3"],
)
def test_models_that_do_not(model) -> None:
    assert not is_reasoning_model(model)


@every(
    ("body", "asks"),
    [
        ({"reasoning_effort": "high"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, True),
        ({"reasoning": {"effort": None}}, False),
        ({"reasoning": None}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, True),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": ["enabled"]}, False),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}}, True),
        ({"generation_config": {"thinking_config": {"thinking_level": "low"}}}, True),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, False),
        ({"generationConfig": []}, False),
        ({"messages": []}, False),
    ],
)
def test_requests_that_ask_for_it(body, asks) -> None:
    assert requests_reasoning(body) is asks


@every(
    ("how", "thinks_then"),
    [
        ({"mode": "passthrough"}, (True, False)),
        ({"mode": "auto"}, (False, False)),
        ({"mode": "adaptive"}, (True, True)),
        ({"mode": "custom"}, (True, True)),
        ({"mode": "custom", "budget": 0}, (False, False)),
        ({"mode": "custom", "effort": "none"}, (False, False)),
        ({"mode": "custom", "budget": 0, "effort": "low"}, (True, True)),
    ],
)
def test_the_settings_may_have_the_say(how, thinks_then) -> None:
    made = Settings(thinking=ThinkingSettings(**how))
    assert (wants_reasoning({"reasoning_effort": "high"}, made), wants_reasoning({}, made)) == thinks_then
