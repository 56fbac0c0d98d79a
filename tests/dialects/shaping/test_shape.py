"""What settings do to requests, and what a model that stands in for another one gets."""

import copy
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.shaping.common import EFFORTS, MODES, Shape, ThinkingSettings
from omniroute.dialects.shaping.shape import shape_request

type Body = dict[str, Any]
PROMPT = "Be kind."
IDLE = Shape()
USER = [{"role": "user", "content": "hi"}]
CLAUDE: Body = {"model": "m", "max_tokens": 32_000, "messages": USER}
CHAT: Body = {"model": "m", "messages": USER}
RESPONSES: Body = {"model": "m", "input": "hi"}
GEMINI: Body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
BODIES = {"claude": CLAUDE, "openai": CHAT, "responses": RESPONSES, "gemini": GEMINI}
MODELS = {
    "claude": ("claude-sonnet-4-5", "claude-opus-4-7", "claude-3-5-haiku-latest", "local"),
    "openai": ("gpt-5.1", "o3", "gpt-4o", "local"),
    "responses": ("gpt-5.1", "o3", "gpt-4o", "local"),
    "gemini": ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-3-pro-preview", "gemini-2.0-flash", "gemma"),
}


def custom(**how: Any) -> Shape:
    return Shape(ThinkingSettings("custom", **how))


def ask(
    dialect: str, body: Body, model: str, shape: Shape = IDLE, *, renamed: bool = False, most: int | None = None
) -> tuple[Body, tuple[str, ...]]:
    made = shape_request(dialect, body, model=model, shape=shape, renamed=renamed, max_output=most)
    return made.body, made.dropped


def added(dialect: str, more: Body, model: str, shape: Shape = IDLE, **how: Any) -> Body:
    """Give what is said beside the plain request of the dialect."""
    made, _ = ask(dialect, BODIES[dialect] | more, model, shape, **how)
    return {key: value for key, value in made.items() if key not in BODIES[dialect]}


# ---- laws

SHAPES = st.builds(
    Shape,
    st.builds(ThinkingSettings, st.sampled_from(MODES), st.integers(0, 131_072), st.none() | st.sampled_from(EFFORTS)),
    st.sampled_from(["", PROMPT]),
)
ASKED = st.sampled_from([(dialect, model) for dialect, models in MODELS.items() for model in models])
THINKING: dict[str, list[Body]] = {
    "claude": [
        {},
        {"thinking": {"type": "enabled", "budget_tokens": 5000}, "temperature": 1},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max", "format": {"x": 1}}},
        {"thinking": {"type": "disabled"}, "temperature": 0.3, "top_k": 3, "system": "Be brief."},
        {"tool_choice": {"type": "any"}, "system": [{"type": "text", "text": "x", "cache_control": {}}]},
        {"thinking": None, "tool_choice": None, "max_tokens": 10, "system": []},
    ],
    "openai": [
        {},
        {"reasoning_effort": "xhigh", "temperature": 0.2, "max_tokens": 10**6},
        {"reasoning": {"max_tokens": 9, "exclude": True}, "thinking": {"type": "enabled"}},
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "x"}]}, *USER]},
        {"messages": [{"role": "system", "content": "x"}, *USER], "stop": ["a"], "enable_thinking": True},
    ],
    "responses": [{}, {"reasoning": {"effort": "xhigh", "summary": "auto"}, "instructions": "x", "temperature": 0.1}],
    "gemini": [
        {},
        {"generation_config": {"thinking_config": {"thinking_budget": 99, "include_thoughts": True}, "topK": 3}},
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}, "system_instruction": {"parts": []}},
        {"cachedContent": "x"},
    ],
}


@given(ASKED, st.integers(0, 5), SHAPES, st.booleans(), st.sampled_from([None, 2000, 100_000]))
def test_twice_is_once(asked: tuple[str, str], at: int, shape: Shape, renamed: bool, most: int | None) -> None:
    dialect, model = asked
    body = BODIES[dialect] | THINKING[dialect][at % len(THINKING[dialect])]
    before = copy.deepcopy(body)
    once, _ = ask(dialect, body, model, shape, renamed=renamed, most=most)
    assert body == before
    twice, _ = ask(dialect, once, model, shape, renamed=renamed, most=most)
    assert twice == once


@given(ASKED, st.integers(0, 5))
def test_who_wants_nothing_and_names_its_model_gets_what_it_said(asked: tuple[str, str], at: int) -> None:
    dialect, model = asked
    body = BODIES[dialect] | THINKING[dialect][at % len(THINKING[dialect])]
    assert ask(dialect, body, model) == (body, ())


def growing(dialect: str) -> list[Body]:
    """A conversation as it grows, with a first question that is long or short and tools that stay."""
    tools = [{"name": f"t{n}", "function": {"name": f"t{n}"}} for n in range(5)]
    answers = ("assistant", "x" * 3000), ("user", "y" * 3000), ("assistant", "z"), ("user", "more")
    turns = [("user", "q" * 100), *answers]
    grown = []
    for n in (1, 3, 5):
        match dialect:
            case "gemini":
                said = {"contents": [{"role": role, "parts": [{"text": text}]} for role, text in turns[:n]]}
            case "responses":
                said = {"input": [{"role": role, "content": text} for role, text in turns[:n]]}
            case _:
                said = {"messages": [{"role": role, "content": text} for role, text in turns[:n]]}
        grown.append(BODIES[dialect] | {"tools": tools} | said)
    return grown


@every("dialect", BODIES)
@every("mode", MODES)
def test_a_conversation_is_asked_alike_in_all_its_turns(dialect: str, mode: str) -> None:
    shape = Shape(ThinkingSettings(mode), PROMPT)
    for model in MODELS[dialect]:
        turns = [ask(dialect, body, model, shape)[0] for body in growing(dialect)]
        heads = [{k: v for k, v in turn.items() if k not in {"messages", "input", "contents"}} for turn in turns]
        assert heads[0] == heads[1] == heads[2]
        for key in {"messages", "input", "contents"} & turns[0].keys():
            assert turns[2][key][: len(turns[0][key])] == turns[0][key]


# ---- thinking


@every(
    ("model", "more", "budget", "said"),
    [
        ("claude-sonnet-4-5", {}, 9000, {"thinking": {"type": "enabled", "budget_tokens": 9000}}),
        ("claude-sonnet-4-5", {}, 5, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("claude-sonnet-4-5", {}, 131_072, {"thinking": {"type": "enabled", "budget_tokens": 24_000}}),
        ("claude-sonnet-4-5", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, 0, {}),
        ("claude-opus-4-7", {}, 9000, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
        ("claude-3-5-haiku-latest", {}, 9000, {}),
        ("glm-5", {}, 9000, {}),
        ("glm-5", {"thinking": {"type": "disabled"}}, 9000, {"thinking": {"type": "enabled", "budget_tokens": 9000}}),
        (
            "claude-sonnet-4-5",
            {"tools": [], "tool_choice": {"type": "any"}},
            9000,
            {"tools": [], "tool_choice": {"type": "any"}},
        ),
        (
            "claude-sonnet-4-5",
            {"temperature": 0.3, "top_k": 5},
            9000,
            {"thinking": {"type": "enabled", "budget_tokens": 9000}},
        ),
        (
            "claude-opus-4-7",
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"format": 1}},
            2000,
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"format": 1, "effort": "low"}},
        ),
    ],
)
def test_a_budget_at_claude(model: str, more: Body, budget: int, said: Body) -> None:
    assert added("claude", more, model, custom(budget=budget)) == said


def test_a_small_limit_leaves_no_room_for_thinking_and_that_is_said() -> None:
    body, dropped = ask("claude", CLAUDE | {"max_tokens": 1000}, "claude-sonnet-4-5", custom())
    assert "thinking" not in body
    assert dropped == ("thinking",)


@pytest.mark.parametrize(("signed", "thinks"), [(True, True), (False, False)])
def test_calls_that_came_without_thinking_are_answered_without_it(signed: bool, thinks: bool) -> None:
    thought = [{"type": "thinking", "thinking": "t", "signature": "s"}] if signed else []
    call = {"type": "tool_use", "id": "1", "name": "f", "input": {}}
    answer = {"type": "tool_result", "tool_use_id": "1", "content": "ok"}
    turns = [*USER, {"role": "assistant", "content": [*thought, call]}, {"role": "user", "content": [answer]}]
    body, _ = ask("claude", CLAUDE | {"messages": turns}, "claude-sonnet-4-5", custom())
    assert ("thinking" in body) is thinks
    assert body["messages"] is turns


def test_without_thinking_nothing_is_to_be_cleared_of_it() -> None:
    edits = [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}]
    more = {"thinking": {"type": "adaptive"}, "context_management": {"edits": edits}}
    auto = Shape(ThinkingSettings("auto"))
    assert added("claude", more, "claude-opus-4-7", auto) == {"context_management": {"edits": edits[1:]}}
    more["context_management"] = {"edits": edits[:1]}
    assert added("claude", more, "claude-opus-4-7", auto) == {}


@pytest.mark.parametrize(
    ("dialect", "more"),
    [
        ("claude", {"thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "low"}}),
        (
            "openai",
            {"reasoning_effort": "high", "reasoning": {"effort": "low"}, "thinking": {}, "enable_thinking": True},
        ),
        ("responses", {"reasoning": {"effort": "high"}}),
        ("gemini", {"generation_config": {"thinking_config": {"thinking_budget": 5}}}),
        ("gemini", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}),
    ],
)
def test_auto_leaves_it_to_the_model(dialect: str, more: Body) -> None:
    assert added(dialect, more, MODELS[dialect][0], Shape(ThinkingSettings("auto"))) == {}


@every(
    ("dialect", "model", "more", "how", "said"),
    [
        ("openai", "gpt-5.1", {}, {"budget": 10_240}, {"reasoning_effort": "medium"}),
        ("openai", "gpt-5.1", {}, {"budget": 0}, {"reasoning_effort": "none"}),
        ("openai", "gpt-5", {}, {"effort": "none"}, {"reasoning_effort": "minimal"}),
        ("openai", "o3", {"temperature": 0.2, "stop": "x"}, {"effort": "max"}, {"reasoning_effort": "high"}),
        ("openai", "gpt-4o", {"temperature": 0.2}, {"effort": "max"}, {"temperature": 0.2}),
        ("openai", "qwen", {"reasoning": {"max_tokens": 5}}, {"effort": "low"}, {"reasoning": {"effort": "low"}}),
        ("openai", "glm", {"thinking": {"type": "enabled"}}, {"budget": 0}, {"thinking": {"type": "disabled"}}),
        (
            "responses",
            "gpt-5.1",
            {"reasoning": {"summary": "auto"}},
            {"effort": "high"},
            {"reasoning": {"summary": "auto", "effort": "high"}},
        ),
        ("responses", "gpt-4o", {}, {"effort": "high"}, {}),
        (
            "gemini",
            "gemini-2.5-flash",
            {},
            {"budget": 0},
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
        ),
        (
            "gemini",
            "gemini-2.5-pro",
            {},
            {"budget": 131_072},
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 32_768}}},
        ),
        (
            "gemini",
            "gemini-3-pro-preview",
            {},
            {"budget": 2000},
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
        ),
        ("gemini", "gemini-2.0-flash", {}, {"budget": 2000}, {}),
        (
            "gemini",
            "gemini-2.5-pro",
            {"generation_config": {"top_k": 1, "thinking_config": {"include_thoughts": True, "thinking_budget": 5}}},
            {"budget": 2000},
            {"generation_config": {"top_k": 1, "thinking_config": {"include_thoughts": True, "thinkingBudget": 2000}}},
        ),
    ],
)
def test_as_each_dialect_says_it(dialect: str, model: str, more: Body, how: Body, said: Body) -> None:
    assert added(dialect, more, model, custom(**how)) == said


def test_adaptive_goes_by_the_task() -> None:
    many = {"tools": [{"name": str(n)} for n in range(4)]}
    long = {"messages": [{"role": "user", "content": "x" * 2001}]}

    def budget(more: Body, **how: Any) -> int:
        made, _ = ask("claude", CLAUDE | more, "claude-sonnet-4-5", Shape(ThinkingSettings("adaptive", **how)))
        return int(made["thinking"]["budget_tokens"])

    assert [budget({}), budget(many), budget(long), budget(many | long)] == [8192, 12_288, 10_649, 14_745]
    assert budget({}, effort="low") == 2048


# ---- the system prompt


@every(
    ("dialect", "more", "said"),
    [
        ("claude", {}, {"system": [{"type": "text", "text": PROMPT}]}),
        ("claude", {"system": "x"}, {"system": f"{PROMPT}\n\nx"}),
        ("openai", {}, {"messages": [{"role": "system", "content": PROMPT}, *USER]}),
        ("responses", {"previous_response_id": "r"}, {"previous_response_id": "r", "instructions": PROMPT}),
        ("responses", {"instructions": "x"}, {"instructions": f"{PROMPT}\n\nx"}),
        ("gemini", {}, {"systemInstruction": {"parts": [{"text": PROMPT}]}}),
        (
            "gemini",
            {"system_instruction": {"parts": [{"text": "x"}]}},
            {"system_instruction": {"parts": [{"text": PROMPT}, {"text": "x"}]}},
        ),
    ],
)
def test_the_prompt_comes_first(dialect: str, more: Body, said: Body) -> None:
    made, dropped = ask(dialect, BODIES[dialect] | more, "m", Shape(system_prompt=PROMPT))
    assert made == BODIES[dialect] | said
    assert dropped == ()


def test_claude_code_still_begins_with_what_it_is() -> None:
    texts = ["x-anthropic-billing-header: cc_version=1;", "You are Claude Code, Anthropic's official CLI.", "Rules"]
    system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}} for text in texts]
    made, _ = ask("claude", CLAUDE | {"system": system}, "m", Shape(system_prompt=PROMPT))
    assert made["system"] == [*system[:2], {"type": "text", "text": PROMPT}, system[2]]


def test_what_google_keeps_has_its_own_prompt() -> None:
    made, dropped = ask("gemini", GEMINI | {"cachedContent": "c"}, "m", Shape(system_prompt=PROMPT))
    assert (made, dropped) == (GEMINI | {"cachedContent": "c"}, ("system_prompt",))


# ---- another model than the one that was named


@every(
    ("dialect", "model", "more", "said", "dropped"),
    [
        (
            "claude",
            "claude-opus-4-7",
            {"thinking": {"type": "enabled", "budget_tokens": 9000}},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            ("thinking",),
        ),
        (
            "claude",
            "claude-sonnet-4-5",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            {"thinking": {"type": "enabled", "budget_tokens": 16_384}},
            ("thinking.effort", "thinking", "output_config"),
        ),
        ("claude", "claude-3-5-haiku-latest", {"thinking": {"type": "adaptive"}}, {}, ("thinking",)),
        ("claude", "claude-opus-4-7", {"temperature": 0.2}, {}, ("temperature",)),
        ("openai", "gpt-4o", {"reasoning_effort": "high"}, {}, ("reasoning_effort",)),
        (
            "openai",
            "o3",
            {"reasoning_effort": "xhigh", "temperature": 0.2, "max_tokens": 50},
            {"reasoning_effort": "high", "max_completion_tokens": 50},
            ("temperature", "reasoning_effort"),
        ),
        ("openai", "llama", {"max_completion_tokens": 50}, {"max_tokens": 50}, ()),
        (
            "responses",
            "gpt-4o",
            {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]},
            {"include": []},
            ("reasoning", "include"),
        ),
        (
            "gemini",
            "gemini-2.5-flash",
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}}},
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1024}}},
            ("generationConfig",),
        ),
        (
            "gemini",
            "gemini-2.0-flash",
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 5}}},
            {},
            ("generationConfig",),
        ),
    ],
)
def test_what_a_stand_in_would_refuse(
    dialect: str, model: str, more: Body, said: Body, dropped: tuple[str, ...]
) -> None:
    body = BODIES[dialect] | more
    made, lost = ask(dialect, body, model, renamed=True)
    assert made == BODIES[dialect] | said
    assert lost == dropped
    assert ask(dialect, body, model) == (body, ())


@pytest.mark.parametrize("dialect", BODIES)
def test_a_stand_in_writes_no_more_than_it_can(dialect: str) -> None:
    names = {"claude": "max_tokens", "openai": "max_tokens", "responses": "max_output_tokens"}
    more = {names[dialect]: 9000} if dialect in names else {"generation_config": {"max_output_tokens": 9000}}
    made, dropped = ask(dialect, BODIES[dialect] | more, "local", renamed=True, most=4096)
    assert 4096 in (made.get("max_tokens"), made.get("max_output_tokens"), *made.get("generation_config", {}).values())
    assert dropped == (names.get(dialect, "max_output_tokens"),)


@every("odd", [{"messages": 3}, {"messages": [7]}, {"system": 3}, {"thinking": [1]}, {"tools": "x"}])
@every("dialect", BODIES)
def test_nonsense_is_for_others_to_refuse(dialect: str, odd: Body) -> None:
    for mode in MODES:
        ask(dialect, BODIES[dialect] | odd, MODELS[dialect][0], Shape(ThinkingSettings(mode), PROMPT), renamed=True)
