"""What the store takes of aliases, chains, combos, models, settings and blocked providers, and what it refuses."""

from dataclasses import replace
from math import inf, nan

import pytest
from cases import every

from omniroute.catalog.provider import Model
from omniroute.config.model import Alias, Chain
from omniroute.config.settings import RetrySettings, Settings
from omniroute.routing.plan import plan
from omniroute.routing.resolve import resolve
from omniroute.routing.strategy_state import StrategyChanges, StrategyState, Use
from omniroute.store.config import aliases, chains, combos, custom_models, nodes, rows, settings, snapshot
from omniroute.store.db.database import Store
from omniroute.store.state import strategy_state

LOCAL = "http://127.0.0.1:11434/v1"


# aliases


def test_an_alias_is_kept_and_changed_in_its_place(store: Store) -> None:
    aliases.add(store, "fast", "openai/gpt-4o")
    aliases.add(store, "gpt-*", "openai/gpt-4o")
    changed = aliases.add(store, "FAST", "openai/gpt-4o-mini")
    assert changed.pattern == "fast"
    assert [(alias.pattern, alias.target) for alias in snapshot.load(store).aliases] == [
        ("fast", "openai/gpt-4o-mini"),
        ("gpt-*", "openai/gpt-4o"),
    ]
    aliases.remove(store, "Fast")
    assert [alias.pattern for alias in snapshot.load(store).aliases] == ["gpt-*"]


def test_an_alias_may_lead_to_a_combo_a_bare_model_and_itself_as_a_bare_model(store: Store) -> None:
    combos.add(store, "mix", ["openai/gpt-4o"])
    for alias, target in (("m", "mix"), ("n", "m"), ("gpt-*", "gpt-4o"), ("opus[1m]", "anthropic/claude[1m]")):
        aliases.add(store, alias, target)
    nodes.add(store, "box", "openai", LOCAL)
    assert resolve("n", snapshot.load(store)).combo


@pytest.mark.parametrize(
    ("alias", "target", "said"),
    [
        ("", "openai/a", "is no model pattern"),
        ("a b", "openai/a", "is no model pattern"),
        ("x" * 201, "openai/a", "is no model pattern"),
        ("mix", "openai/a", "'mix' is a combo, which goes before any alias"),
        ("openai/*", "anthropic/a", "would never act: what begins with openai/ is a model of OpenAI"),
        ("a", "nothing", "the model 'nothing' is unknown"),
        ("a", "gone/x", "no known provider before its slash"),
        ("a", "a", "would lead back to itself: a → a"),
        ("a", "A", "would lead back to itself"),
        ("one", "three", "would lead back to itself: one → three → two → one"),
        ("a*", "ab", "the model 'ab' is unknown"),
    ],
)
def test_an_alias_that_would_not_work_is_refused(store: Store, refuses, alias: str, target: str, said: str) -> None:
    combos.add(store, "mix", ["openai/gpt-4o"])
    aliases.add(store, "two", "openai/x")
    aliases.add(store, "three", "two")
    aliases.add(store, "one", "openai/y")
    aliases.add(store, "two", "one")
    assert said in refuses(aliases.add, alias, target)


def test_an_alias_that_is_not_there(store: Store, refuses) -> None:
    aliases.add(store, "fast", "openai/x")
    assert refuses(aliases.remove, "fats") == "there is no alias 'fats'; did you mean 'fast'?"


# chains


def test_chains_are_kept_by_age(store: Store) -> None:
    chains.add(store, "z", ["openai/a", "gpt-4o"], ["gpt-*", "gpt-*"])
    chains.add(store, "a", ["anthropic/b"])
    assert snapshot.load(store).chains == (
        Chain("z", ("openai/a", "gpt-4o"), ("gpt-*",)),
        Chain("a", ("anthropic/b",)),
    )
    chains.remove(store, "z")
    assert [chain.name for chain in rows.chains(store)] == ["a"]


@pytest.mark.parametrize(
    ("name", "listed", "said"),
    [
        ("a b", ["openai/x"], "'a b' cannot be the name of a chain"),
        ("there", ["openai/x"], "there is a chain 'there' already"),
        ("c", [], "a chain takes 1 to 50 models, and 'c' has 0"),
        ("c", ["openai/x", "openai/x"], "lists 'openai/x' twice"),
        ("c", ["c"], "the chain 'c' names itself"),
        ("c", ["openai/x", "there"], "names the chain 'there'"),
        ("c", ["mix"], "'mix' is a combo"),
        ("c", ["gone/x"], "no known provider before its slash"),
        ("c", ["nothing"], "the model 'nothing' is unknown"),
    ],
)
def test_a_chain_that_could_not_work_is_refused(store: Store, refuses, name: str, listed: list[str], said: str) -> None:
    combos.add(store, "mix", ["openai/gpt-4o"])
    chains.add(store, "there", ["openai/x"])
    assert said in refuses(chains.add, name, listed)


def test_a_chain_that_is_not_there(store: Store, refuses) -> None:
    chains.add(store, "night", ["openai/x"])
    assert refuses(chains.find, "nigth") == "there is no chain 'nigth'; did you mean 'night'?"


# combos


def test_a_combo_keeps_all_that_was_said(store: Store) -> None:
    tries = RetrySettings(2, 0.5, True, False, {"connect": 1.0, "idle": 9.0})
    combos.add(store, "inner", ["openai/b"])
    made = combos.add(store, "mix", ["openai/a", "inner"], "weighted", {"openai/a": 3.0, "inner": 0.0}, tries)
    assert snapshot.load(store).combos["mix"] == made
    assert made.tries == tries


def test_a_combo_may_not_lead_to_thousands(store: Store, refuses) -> None:
    combos.add(store, "fifty", [f"openai/{n}" for n in range(50)])
    for n in range(10):
        combos.add(store, f"same-{n}", ["fifty"])
    tens = [f"same-{n}" for n in range(10)]
    assert "would lead to 501 models, and 500 are the most" in refuses(combos.add, "all", [*tens, "openai/x"])
    combos.add(store, "all", tens)
    more = to(models=tuple(f"openai/{n}" for n in range(51)))
    assert "takes 1 to 50 models" in refuses(combos.edit, "fifty", more)
    assert "'all' would lead to 509 models" in refuses(
        combos.edit, "same-1", to(models=("fifty", *(f"openai/{n}" for n in range(9))))
    )


def test_names_of_any_length_are_refused_in_one_line(store: Store, refuses) -> None:
    long = "openai/" + "x" * 100_000
    for call, arguments in ((combos.add, ("mix", [long])), (chains.add, ("last", [long])), (aliases.add, ("a", long))):
        assert len(refuses(call, *arguments)) < 400
    assert len(refuses(aliases.add, "x" * 100_000, "openai/x")) < 400


def test_what_was_said_of_a_node_goes_with_it(store: Store) -> None:
    nodes.add(store, "box", "openai", LOCAL)
    settings.put(store, "strategy.box", "p2c")
    settings.block(store, "box")
    custom_models.add(store, "box", Model("m", context=5))
    nodes.remove(store, "box")
    found = snapshot.load(store)
    assert (found.rules, dict(found.models)) == (Settings(), {})


def test_when_accounts_were_asked_last(store: Store) -> None:
    strategy_state.save(store, StrategyChanges({"one": Use("openai", 1, 1, 12.5)}, {}))
    assert strategy_state.last_used(store) == {"one": 12.5}


def to(**changes):
    return lambda combo: replace(combo, **changes)


def test_an_edit_lets_all_begin_alike(store: Store) -> None:
    for name in ("mix", "other"):
        combos.add(store, name, ["openai/a", "openai/b"], "least-used")
    counts = {(name, listed): 9 for name in ("mix", "other") for listed in ("", "openai/a", "openai/b")}
    strategy_state.save(store, StrategyChanges({}, counts))
    combos.edit(store, "mix", to(models=("openai/a", "openai/b", "openai/c")))
    assert [strategy_state.load(store).turn(name) for name in ("mix", "other")] == [0, 9]
    combos.remove(store, "other")
    assert strategy_state.load(store).calls("other", "openai/a") == 0


def test_an_edit_changes_what_it_names(store: Store) -> None:
    combos.add(store, "mix", ["openai/a", "openai/b"], "weighted", {"openai/a": 3.0, "openai/b": 1.0}, RetrySettings(1))
    assert combos.edit(store, "mix", to(strategy="random")).models == ("openai/a", "openai/b")
    edited = combos.edit(store, "mix", to(models=("openai/b", "openai/c")))
    assert edited.weights == {"openai/b": 1.0}, "a weight goes with its model"
    assert combos.edit(store, "mix", to(strategy=None)).strategy is None
    assert snapshot.load(store).combos["mix"].tries == RetrySettings(1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "telepathy"}, "'telepathy' is no strategy"),
        ({"weights": {"openai/z": 1.0}}, "does not list it"),
        ({"weights": {"openai/a": -1.0}}, "the weight of 'openai/a' is -1"),
        ({"weights": {"openai/a": nan}}, "the weight of 'openai/a' is nan"),
        ({"weights": {"openai/a": inf}}, "the weight of 'openai/a' is inf"),
        ({"tries": RetrySettings(11)}, "retries takes a whole number from 0 to 10, not 11"),
        ({"tries": RetrySettings(retry_delay=31.0)}, "retry_delay takes seconds from 0 to 30"),
        ({"tries": RetrySettings(deadlines={"idle": 0.0})}, "idle_timeout takes seconds"),
        ({"tries": RetrySettings(deadlines={"lunch": 1.0})}, "there is no deadline 'lunch_timeout'"),
        ({"models": ()}, "a combo takes 1 to 50 models"),
        ({"models": ("mix",)}, "lead back to itself: mix → mix"),
        ({"models": ("outer",)}, "lead back to itself"),
        ({"models": ("deep1",)}, "nested to a depth of 3 at most"),
    ],
)
def test_an_edit_that_could_not_work_is_refused(store: Store, refuses, changes: dict, said: str) -> None:
    combos.add(store, "deep3", ["openai/x"])
    combos.add(store, "deep2", ["deep3"])
    combos.add(store, "deep1", ["deep2"])
    combos.add(store, "mix", ["openai/a"])
    combos.add(store, "outer", ["mix"])
    assert said in refuses(combos.edit, "mix", to(**changes))


def test_a_combo_above_counts_in_the_depth(store: Store, refuses) -> None:
    combos.add(store, "c", ["openai/x"])
    combos.add(store, "b", ["c"])
    combos.add(store, "a", ["b"])
    combos.add(store, "d", ["openai/y"])
    assert "deeper: a → b → c → d" in refuses(combos.edit, "c", to(models=("d",)))


def test_a_combo_outlives_its_node(store: Store) -> None:
    nodes.add(store, "box", "openai", LOCAL)
    combos.add(store, "mix", ["box/llama"])
    nodes.remove(store, "box")
    made = plan("mix", snapshot.load(store), client=None)
    assert made.targets == ()
    assert [left.name for left in made.excluded] == ["box/llama"]


# models


def test_a_model_is_added_replaced_and_removed(store: Store) -> None:
    assert custom_models.add(store, "ds", Model("new-one", "New One", 200_000, 8_000, images=True)) == "deepseek"
    custom_models.add(store, "deepseek", Model("new-one", context=100_000, tools=False))
    assert snapshot.load(store).models == {"deepseek": (Model("new-one", context=100_000, tools=False),)}
    combos.add(store, "mix", ["new-one"])
    custom_models.remove(store, "ds", "new-one")
    assert snapshot.load(store).models == {}


@every(
    ("provider", "model", "said"),
    [
        ("nobody", Model("x"), "there is no provider or node 'nobody'"),
        ("openai", Model(""), "cannot be a model"),
        ("openai", Model(" x"), "cannot be a model"),
        ("openai", Model("x\n"), "cannot be a model"),
        ("openai", Model("x", name=" "), "cannot be the name of a model"),
        ("openai", Model("x", context=0), "the context of 'x' is 0"),
        ("openai", Model("x", max_output=-1), "the longest answer of 'x' is -1"),
    ],
)
def test_a_model_that_cannot_be_is_refused(refuses, provider: str, model: Model, said: str) -> None:
    assert said in refuses(custom_models.add, provider, model)


def test_a_model_that_was_not_added(store: Store, refuses) -> None:
    custom_models.add(store, "openai", Model("mine"))
    assert (
        refuses(custom_models.remove, "openai", "mien") == "no model 'mien' was added to openai; did you mean 'mine'?"
    )


# settings and blocked providers


def test_settings_become_rules(store: Store) -> None:
    assert snapshot.load(store).rules == Settings()
    assert settings.put(store, "strategy", "p2c") == ("strategy", "p2c")
    assert settings.put(store, "strategy.ds", "random") == ("strategy.deepseek", "random")
    settings.put(store, "combo.idle_timeout", "7.5")
    settings.put(store, "affinity", "off")
    found = snapshot.load(store).rules
    assert (found.strategy, found.strategies, found.affinity) == ("p2c", {"deepseek": "random"}, False)
    assert found.combo.deadlines == {"idle": 7.5}
    assert settings.unset(store, "strategy.ds") == "strategy.deepseek"
    assert snapshot.load(store).rules.strategies == {}


def test_a_setting_that_is_none_or_takes_something_else(refuses) -> None:
    assert refuses(settings.put, "stratgy", "p2c").startswith("there is no setting 'stratgy'; did you mean 'strategy'")
    assert "is one of fill-first" in refuses(settings.put, "strategy", "telepathy")
    assert "there is no provider or node 'nobody'" in refuses(settings.put, "strategy.nobody", "p2c")
    assert "strategy.deepseek is one of" in refuses(settings.put, "strategy.ds", "priority")
    assert "takes a whole number from 0 to 1000, not '-1'" in refuses(settings.put, "sticky_limit", "-1")
    assert "there is no setting" in refuses(settings.unset, "nothing")


def test_a_model_that_is_set_means_something(store: Store, refuses) -> None:
    nodes.add(store, "box", "openai", "http://127.0.0.1:9/v1")
    combos.add(store, "both", ["box/m"])
    aliases.add(store, "near-*", "both")
    for name in ("box/e5", "openai/text-embedding-3-small", "both", "near-me", "off"):
        settings.put(store, "cache.similar", name)
    assert "has no known provider before its slash; did you mean 'box'" in refuses(
        settings.put, "cache.similar", "boxx/e5"
    )
    assert "is unknown: say it as 'provider/model'" in refuses(settings.put, "cache.similar", "e5")
    assert rows.settings(store)["cache.similar"] == ""


def test_a_provider_is_blocked_and_unblocked(store: Store, refuses) -> None:
    assert settings.block(store, "ds") == settings.block(store, "deepseek") == "deepseek"
    assert snapshot.load(store).rules.blocked == {"deepseek"}
    settings.unblock(store, "ds")
    assert refuses(settings.unblock, "ds") == "deepseek is not blocked"


# turns


def test_turns_are_taken_up_again(store: Store) -> None:
    memory = StrategyState()
    memory.record_call("openai", "a", 5.0)
    memory.record_call("openai", "a", 6.0)
    memory.counter([("mix", "openai/x")])
    memory.advance(["mix"])
    before = store.revision()
    for _ in range(2):
        if changes := memory.changes():
            strategy_state.save(store, changes)
    assert store.revision() == before, "no configuration has changed"
    again = strategy_state.load(store)
    assert again.newest("openai") == ("a", 2)
    assert (again.serial("a"), again.turn("mix"), again.calls("mix", "openai/x")) == (2, 1, 1)
    again.keep([], {})
    if changes := again.changes():
        strategy_state.save(store, changes)
    assert strategy_state.load(store).newest("openai") is None


def test_an_alias_of_the_snapshot_has_its_age(store: Store) -> None:
    made = aliases.add(store, "fast", "openai/x")
    assert snapshot.load(store).aliases == (Alias("fast", "openai/x", made.created_at),)
