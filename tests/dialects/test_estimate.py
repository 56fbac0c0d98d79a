"""Estimates of tokens: roughly right, never far off for the wrong reason."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.token_estimate import PICTURE, estimate_tokens

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, JSON)
def test_more_is_never_fewer(one: Any, other: Any) -> None:
    assert (
        estimate_tokens([one, other]) == estimate_tokens(one) + estimate_tokens(other) >= max(estimate_tokens(one), 0)
    )


def test_english_and_chinese_are_counted_each_in_their_own_way() -> None:
    assert estimate_tokens("word " * 100) == 125
    assert estimate_tokens("字" * 100) == 100
    assert estimate_tokens("é" * 100) == 25


def test_a_picture_costs_what_it_shows_and_not_what_it_weighs() -> None:
    small = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 100}}
    large = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 1_000_000}}
    assert estimate_tokens(small) == estimate_tokens(large) >= PICTURE
    assert estimate_tokens({"type": "thinking", "signature": "x" * 9000}) < 20


def test_depth_is_no_trouble() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert estimate_tokens(deep) == 1
