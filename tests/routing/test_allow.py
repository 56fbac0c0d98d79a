import re

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.access.model_allowlist import allowed


@every(
    ("pattern", "name", "may"),
    [
        ("openai/gpt-4o", "openai/gpt-4o", True),
        ("openai/gpt-4o", "openai/gpt-4o-mini", False),
        ("openai/gpt-4o", "x/openai/gpt-4o", False),
        ("openai/*", "openai/gpt-4o", True),
        ("openai/*", "openai2/x", False),
        ("openai/*", "openai", False),
        ("openai/*", "OpenAI/gpt-4o", False),
        ("*", "anything/at/all", True),
        ("*", "", True),
        ("*/gpt-*", "openai/gpt-4o", True),
        ("*/gpt-*", "gpt-4o", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*a", "aba", True),
        ("a*b*ba", "aba", False),
        ("*-mini", "openai/gpt-4o-mini", True),
        ("a.c", "abc", False),
        ("a?c", "abc", False),
        ("[ab]", "a", False),
        ("gpt\n*", "gpt\nx", True),
        ("", "x", False),
    ],
)
def test_patterns(pattern, name, may) -> None:
    assert allowed([pattern], name) is may


def test_one_of_several_is_enough_and_none_is_not() -> None:
    assert allowed(["fast", "ds/*"], "ds/x")
    assert not allowed([], "ds/x")


text = st.text(alphabet="ab/*.", max_size=12)


@given(st.lists(text, max_size=3), text)
def test_it_is_the_regular_expression_that_it_looks_like(patterns, name) -> None:
    wanted = any(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) for pattern in patterns)
    assert allowed(patterns, name) is wanted


def test_many_stars_take_no_time() -> None:
    assert not allowed(["*a" * 200 + "b"], "a" * 512)
