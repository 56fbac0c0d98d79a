"""Other names: what they match, which of several counts, where they lead."""

import dataclasses
import re
import time

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.model import Account, Alias, Combo, Config, matches, matching, specificity
from omniroute.errors import BadRequest
from omniroute.routing.resolve import resolve

LETTERS = st.text("ab*?[.]", max_size=8)
OPENAI = Config(accounts=(Account("o", "openai", "main"), Account("c", "anthropic", "main")))


def with_aliases(*pairs, **more) -> Config:
    aliases = tuple(Alias(pattern, target, float(age)) for age, (pattern, target) in enumerate(pairs))
    return dataclasses.replace(OPENAI, aliases=aliases, **more)


@given(LETTERS, st.text("ab[.]", max_size=8))
def test_it_matches_what_the_regular_expression_does(pattern, name) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    assert matches(pattern, name) == bool(re.fullmatch(expression, name, re.DOTALL))


def test_no_pattern_takes_for_ever() -> None:
    began = time.process_time()
    assert not matches("*a" * 100 + "b", "a" * 512)
    assert time.process_time() - began < 5


@every(
    ("heavier", "lighter"),
    [("gpt-5*", "gpt-*"), ("gpt-?", "gpt-*"), ("gpt-4?", "gpt-??"), ("a*c", "a*"), ("claude-*-4", "*-4"), ("*a", "*")],
)
def test_the_more_is_said_the_heavier(heavier, lighter) -> None:
    assert specificity(heavier) > specificity(lighter)


@given(st.lists(LETTERS.filter(lambda text: "*" in text or "?" in text), max_size=6), st.text("ab[.]", max_size=6))
def test_all_that_match_are_told_the_best_first_and_the_oldest_of_equals(patterns, name) -> None:
    aliases = [Alias(pattern, "x", float(age)) for age, pattern in enumerate(patterns)]
    found = matching(name, aliases)
    assert {alias.created_at for alias in found} == {a.created_at for a in aliases if matches(a.pattern, name)}
    weights = [(-specificity(alias.pattern), alias.created_at) for alias in found]
    assert weights == sorted(weights)


def test_the_order_of_meanings() -> None:
    config = with_aliases(
        ("gpt-4o", "anthropic/exact"),
        ("gpt-*", "anthropic/wild"),
        ("openai/*", "anthropic/never"),
        ("combo", "anthropic/never"),
        combos={"combo": Combo("combo", ("openai/x",))},
    )
    assert resolve("combo", config).legs[0].name == "openai/x", "a combo before an alias"
    assert resolve("openai/gpt-4o", config).legs[0].name == "openai/gpt-4o", "a prefix before an alias"
    assert resolve("gpt-4o", config).legs[0].name == "anthropic/exact", "an exact alias before a wild one"
    assert resolve("GPT-4O", config).legs[0].name == "anthropic/exact", "in either case"
    assert resolve("gpt-4o-mini", config).legs[0].name == "anthropic/wild", "an alias before a bare model"
    assert resolve("o1", config).legs[0].name == "openai/o1", "a bare model last"


def test_the_most_specific_counts_and_the_others_are_shown() -> None:
    found = resolve("gpt-5-mini", with_aliases(("gpt-*", "openai/a"), ("gpt-5*", "openai/b"), ("*mini", "openai/c")))
    assert found.legs[0].name == "openai/b"
    assert [alias.pattern for alias in found.aliases] == ["gpt-5*"]
    assert [alias.pattern for alias in found.passed_over] == ["gpt-*", "*mini"], "equal ones by age"


def test_an_alias_leads_to_a_combo_and_through_others() -> None:
    config = with_aliases(
        ("fast", "quick"), ("quick", "mix"), combos={"mix": Combo("mix", ("openai/x", "anthropic/y"))}
    )
    found = resolve("fast", config)
    assert found.kind == "combo"
    assert [alias.pattern for alias in found.aliases] == ["fast", "quick"]


def test_an_alias_is_followed_once() -> None:
    assert resolve("gpt-9", with_aliases(("gpt-*", "gpt-4o"))).legs[0].name == "openai/gpt-4o"
    with pytest.raises(BadRequest, match="no model or combo 'a'"):
        resolve("a", with_aliases(("a", "b"), ("b", "a")))


def test_a_target_that_is_gone_is_named_with_its_alias() -> None:
    with pytest.raises(BadRequest, match=r"'gone/x'.*the alias 'a' leads there"):
        resolve("a", with_aliases(("a", "gone/x")))


def test_brackets_are_letters() -> None:
    config = with_aliases(("opus[1m]", "anthropic/claude-opus-4-6[1m]"))
    assert resolve("opus[1m]", config).legs[0].model == "claude-opus-4-6[1m]", "a suffix is left alone"
    with pytest.raises(BadRequest):
        resolve("opus1", config)
    assert resolve("claude-opus-4-6[1m]", config).legs[0].name == "anthropic/claude-opus-4-6[1m]"
