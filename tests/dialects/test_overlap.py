"""The laws of joining a continuation: nothing new is lost, and what is repeated is left out, wherever it is cut."""

from collections.abc import Sequence

import pytest
from cases import every
from hypothesis import assume, given
from hypothesis import strategies as st

from omniroute.dialects.resume_overlap import LEAST, Overlap, OverlapNotFound

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=80)
SIZES = st.lists(st.integers(1, 9), max_size=30)


def join(said: str, more: str, sizes: Sequence[int] = ()) -> str:
    overlap, out, at = Overlap(said), "", 0
    for size in [*sizes, len(more) + 1]:
        out += overlap.feed(more[at : at + size])
        at += size
    return out + overlap.finish()


def numbered(count: int) -> str:
    """Make a text that repeats nothing of any length that counts."""
    return " ".join(f"{n:02} völlig {n * n} 漢字 {n}🙂" for n in range(count))


@given(st.integers(3, 12), st.integers(0, 400), WORDS, SIZES)
def test_an_end_that_comes_again_is_left_out(count: int, start: int, rest: str, sizes: list[int]) -> None:
    said = numbered(count)
    start = min(start, len(said) - LEAST - 2)
    assume(not said[start].isspace())
    assert join(said, said[start:] + rest, sizes) == rest


@given(WORDS, WORDS, SIZES)
def test_what_is_given_is_an_end_of_the_continuation_however_it_is_cut(said: str, more: str, sizes: list[int]) -> None:
    def told(cuts: Sequence[int]) -> str | None:
        try:
            return join(said, more, cuts)
        except OverlapNotFound:
            return None

    out = told(sizes)
    assert out == told(())
    if out is not None:
        assert more.endswith(out)
        assert said.endswith(more[: len(more) - len(out)].lstrip())


@given(st.integers(1, 12), st.integers(13, 40), SIZES)
def test_what_repeats_nothing_stays_as_it_is(count: int, after: int, sizes: list[int]) -> None:
    more = f" and then {after} things of another kind"
    assert join(numbered(count), more, sizes) == more


@every(
    ("said", "more", "new"),
    [
        ("One two ", " three", "three"),
        ("One two ", "three", "three"),
        ("One two", " three", " three"),
        ("A list:\n\n", "\n\n- one", "- one"),
        ("Sure, ", "Sure, here it is", "here it is"),
        ("ab", "abc", "abc"),
        ("The quick brown fox jumps", "\n\nThe quick brown fox jumps over", " over"),
        ("ha " * 20, "ha " * 20 + "end", "end"),
    ],
)
def test_samples(said: str, more: str, new: str) -> None:
    assert join(said, more) == new


@pytest.mark.parametrize("end", ["of Germany is Berlin, and", ""])
def test_an_answer_begun_anew_that_goes_elsewhere_is_none(end: str) -> None:
    with pytest.raises(OverlapNotFound):
        join("The capital city of France is Paris. It lies", "The capital city " + end)
