"""Plans of nested combos, chains, conversations that stay, and models that do not fit."""

import dataclasses
from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.pricing import expected
from omniroute.catalog.provider import Model
from omniroute.catalog.providers import find, node
from omniroute.config.model import Account, Chain, Combo, Config, Key
from omniroute.config.settings import ACCOUNT_STRATEGIES, COMBO_STRATEGIES, Settings
from omniroute.dialects.requirements import Needs
from omniroute.routing.plan import plan
from omniroute.routing.strategies import RoutingState
from omniroute.routing.strategy_state import StrategyState
from omniroute.routing.target import PlanContext

BOX = node("box", "openai", "http://127.0.0.1:1")
ACCOUNTS = tuple(
    Account(f"{provider}-{name}", provider, name, enabled=name != "off")
    for provider in ("openai", "anthropic", "groq")
    for name in ("one", "two", "off")
)
DAY = datetime(2026, 11, 1, tzinfo=UTC)


def config(**fields) -> Config:
    return Config(accounts=ACCOUNTS, nodes=(BOX,), **fields)


def combos(**listed) -> dict[str, Combo]:
    return {name: Combo(name, tuple(models)) for name, models in listed.items()}


def names(made) -> list[str]:
    return [target.name for target in made.targets]


def served(made) -> list[str]:
    return [f"{target.account.id} {target.model}" for target in made.targets]


def left(made) -> list[tuple[str, str]]:
    return [(out.name, out.reason) for out in made.excluded]


def test_nested_combos_flatten_in_order() -> None:
    made = plan(
        "outer",
        config(
            combos=combos(
                outer=["box/a", "inner", "box/z"], inner=["box/b", "deep"], deep=["box/c", "deeper"], deeper=["box/d"]
            )
        ),
        client=None,
    )
    assert names(made) == ["box/a", "box/b", "box/c", "box/z"]
    assert left(made) == [("deeper", "is nested deeper than 3 combos")]
    assert made.targets[2].path.path == (("outer", "inner"), ("inner", "deep"), ("deep", "box/c"))
    assert made.targets[2].reason == "model 1 of 2 in deep (priority), account of priority 1 (the only account)"


def test_a_circle_that_was_saved_all_the_same_is_cut() -> None:
    made = plan("a", config(combos=combos(a=["box/x", "b"], b=["a", "box/y"])), client=None)
    assert names(made) == ["box/x", "box/y"]
    assert left(made) == [("a", "leads back to itself: a → b → a")]


LISTED = ["openai/gpt-4o", "anthropic/claude-opus-4-6", "groq/x", "box/a", "box/b", "inner", "gone/x"]


@given(
    st.lists(st.sampled_from(LISTED), min_size=1, unique=True),
    st.sampled_from(COMBO_STRATEGIES),
    st.sampled_from(ACCOUNT_STRATEGIES),
    st.integers(0),
    st.none() | st.sampled_from([("openai-two", "openai/gpt-4o"), ("groq-off", "groq/x"), ("gone", "box/b")]),
    st.booleans(),
)
def test_a_plan_is_a_permutation_of_what_can_be_asked(listed, strategy, by_account, seed, stay, chained) -> None:
    made = plan(
        "mix",
        config(
            combos={"mix": Combo("mix", tuple(listed), strategy), "inner": Combo("inner", ("box/a", "groq/y"))},
            chains=(Chain("last", ("openai/gpt-4o", "box/c")),) if chained else (),
            rules=Settings(strategy=by_account),
        ),
        client="openai",
        known=PlanContext(RoutingState(StrategyState()), Random(seed).random),
        stay=stay,
    )
    flat = [name for item in listed for name in (["box/a", "groq/y"] if item == "inner" else [item])]
    flat += ["openai/gpt-4o", "box/c"] * chained
    wanted = {
        (account, name)
        for name in flat
        if (row := find(name.partition("/")[0], (BOX,)))
        for account in (["node:box"] if row is BOX else [f"{row.id}-one", f"{row.id}-two"])
    }
    assert sorted(wanted) == sorted((target.account.id, target.name) for target in made.targets)
    assert all(target.account.enabled for target in made.targets)


def test_a_chain_comes_last_and_for_whom_it_serves() -> None:
    chains = (
        Chain("night", ("box/n",), serves=("gpt-*",)),
        Chain("all", ("openai/gpt-4o", "gone/x", "box/z")),
    )
    made = plan("gpt-4o", config(chains=chains), client=None)
    assert names(made) == ["openai/gpt-4o", "openai/gpt-4o", "box/n", "box/z"]
    assert made.targets[2].reason == "step 1 of the chain night, account of priority 1 (the only account)"
    assert ("gone/x", "is no model of any provider that has an account") in left(made)
    assert names(plan("box/q", config(chains=chains), client=None))[0] == "box/q"
    assert "box/n" not in names(plan("box/q", config(chains=chains), client=None))


def test_a_chain_does_not_widen_what_a_key_may_use() -> None:
    key = Key("k", "laptop", b"", allow=("openai/*",))
    made = plan("openai/x", config(chains=(Chain("c", ("box/z", "openai/y")),)), client=None, key=key)
    assert set(names(made)) == {"openai/x", "openai/y"}
    assert ("box/z", "the key 'laptop' may not use it") in left(made)


def test_a_blocked_provider_is_left_out_and_refused() -> None:
    blocked = config(combos=combos(mix=["box/a", "groq/x"]), rules=Settings(blocked=frozenset({"groq"})))
    made = plan("mix", blocked, client=None)
    assert names(made) == ["box/a"]
    assert left(made) == [("groq/x", "Groq is blocked")]


def test_a_conversation_stays_on_its_account() -> None:
    for strategy in ACCOUNT_STRATEGIES:
        made = plan("openai/x", config(rules=Settings(strategy=strategy)), client=None, stay=("openai-two", "openai/x"))
        assert [target.account.name for target in made.targets] == ["two", "one"]
        assert made.targets[0].reason == "asked for by name, the account of this conversation"


def test_a_conversation_stays_on_its_model_where_the_strategy_only_spreads() -> None:
    for strategy in COMBO_STRATEGIES:
        mix = {"mix": Combo("mix", ("box/a", "inner", "box/c"), strategy), "inner": Combo("inner", ("box/b",))}
        made = plan(
            "mix", config(combos=mix), client=None, known=PlanContext(random=lambda: 0.99), stay=("node:box", "box/b")
        )
        assert (names(made)[0] == "box/b") == (strategy not in ("priority", "cost-optimized"))


def test_the_provider_alone_is_asked_though_a_combo_bears_its_name_and_chains_stand_behind() -> None:
    mix = config(combos=combos(**{"box/a": ["groq/x"]}), chains=(Chain("last", ("groq/y",)),))
    assert names(plan("box/a", mix, client=None)) == ["groq/x", "groq/x", "groq/y", "groq/y"]
    assert names(plan("box/a", mix, client=None, alone=True)) == ["box/a"]


def test_round_robin_goes_round_with_each_request() -> None:
    turns = StrategyState()
    mix = config(combos={"mix": Combo("mix", ("box/a", "box/b", "box/c"), "round-robin")})
    firsts = []
    for _ in range(4):
        made = plan("mix", mix, client=None, known=PlanContext(RoutingState(turns)))
        turns.advance(combo for combo, _ in made.targets[0].path.path)
        firsts.append(names(made)[0])
    assert firsts == ["box/a", "box/b", "box/c", "box/a"]


def test_least_used_counts_what_the_combo_led_to() -> None:
    turns = StrategyState()
    turns.counter([("mix", "box/a")])
    mix = config(combos={"mix": Combo("mix", ("box/a", "box/b"), "least-used")})
    assert names(plan("mix", mix, client=None, known=PlanContext(RoutingState(turns)))) == ["box/b", "box/a"]


def test_the_cheapest_for_this_request_comes_first_and_the_unknown_last() -> None:
    mix = config(combos={"mix": Combo("mix", ("box/free", "openai/gpt-4o", "openai/gpt-4o-mini"), "cost-optimized")})
    known = PlanContext(price=lambda provider, model, into, out: expected(provider, model, into, out, DAY))
    made = plan("mix", mix, client=None, known=known)
    assert list(dict.fromkeys(names(made))) == ["openai/gpt-4o-mini", "openai/gpt-4o", "box/free"]
    assert [target.path.place for target in (made.targets[0], made.targets[-1])] == [
        "model 3 of 3 in mix (cost-optimized), about $0.000600",
        "model 1 of 3 in mix (cost-optimized), no price known",
    ]


def test_the_mix_of_tokens_decides_between_prices() -> None:
    rates = {"reads": (1, 100), "writes": (50, 2)}
    known = PlanContext(price=lambda provider, model, into, out: into * rates[model][0] + out * rates[model][1])
    mix = config(combos={"mix": Combo("mix", ("box/reads", "box/writes"), "cost-optimized")})
    long_question = Needs({"messages": [{"role": "user", "content": "word " * 4000}], "max_tokens": 10})
    long_answer = Needs({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9000})
    assert names(plan("mix", mix, client=None, known=known, needs=long_question))[0] == "box/reads"
    assert names(plan("mix", mix, client=None, known=known, needs=long_answer))[0] == "box/writes"


def facts(**models):
    return lambda provider, model: models.get(model)


PICTURE = Needs({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]})
TOOLS = Needs({"tools": [{"type": "function"}]})
LONG = Needs({"messages": [{"role": "user", "content": "word " * 4000}]})


def test_a_model_that_cannot_take_the_request_is_left_out_with_the_reason() -> None:
    mix = config(combos=combos(mix=["box/blind", "box/bare", "box/short", "box/good"]))
    known = PlanContext(
        facts=facts(
            blind=Model("blind", images=False), bare=Model("bare", tools=False), short=Model("short", context=3000)
        )
    )
    assert left(plan("mix", mix, client=None, known=known)) == []
    for needs, gone, why in (
        (PICTURE, "box/blind", "takes no pictures, and the request shows one"),
        (TOOLS, "box/bare", "calls no tools, and the request brings some"),
        (LONG, "box/short", "takes 3,000 tokens, and the request has about 5,0"),
    ):
        made = plan("mix", mix, client=None, known=known, needs=needs)
        [(name, said)] = left(made)
        assert name == gone
        assert said.startswith(why)
        assert gone not in names(made)


def test_an_estimate_alone_refuses_nobody() -> None:
    known = PlanContext(facts=facts(short=Model("short", context=1000)))
    made = plan("box/short", config(), client=None, known=known, needs=LONG)
    assert names(made) == ["box/short"]
    assert left(made) == []


def test_a_renamed_model_is_asked_by_its_new_name() -> None:
    old = dataclasses.replace(BOX, renamed={"old": "new"})
    made = plan("box/old", Config(nodes=(old,)), client=None)
    assert names(made) == ["box/new"]
