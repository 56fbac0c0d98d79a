"""The nearest vector is found, whatever was ruled out on the way to it."""

from array import array
from math import inf, nan, sumprod
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.cache.answer import CachedAnswer, pack, unpack
from omniroute.cache.similarity import BEGINNING, nearest, normalize
from omniroute.dialects.ir import Usage


def drawn(chance: Random, weight: float) -> bytes:
    """Draw a vector whose beginning says more, or less, than its end."""
    return normalize([chance.gauss(0, weight if place < BEGINNING else 1) for place in range(BEGINNING + 30)])


vectors = st.builds(drawn, st.integers(0, 2**32).map(Random), st.floats(0.01, 10))


def numbers(vector: bytes) -> list[float]:
    return array("f", vector).tolist()


@given(vectors, st.lists(vectors, max_size=6), st.floats(0, 1))
def test_it_finds_what_looking_at_all_of_them_would(wanted: bytes, others: list[bytes], least: float) -> None:
    pairs = [zip(numbers(wanted), numbers(other), strict=True) for other in others]
    near = [normalize([a + 0.1 * b for a, b in pair]) for pair in pairs]
    kept = [(str(place), vector) for place, vector in enumerate(others + near)]
    cosines = {key: min(1.0, sumprod(numbers(wanted), numbers(vector))) for key, vector in kept}
    best = max(cosines.values(), default=-1.0)
    found = nearest(wanted, kept, least)
    if best >= least:
        assert found is not None
        assert found[1] == pytest.approx(best, abs=1e-6)
        assert cosines[found[0]] == found[1] >= least
    else:
        assert found is None


@given(vectors)
def test_a_vector_is_as_near_as_can_be_to_itself_and_to_none_of_another_length(vector: bytes) -> None:
    found = nearest(vector, [("other", vector[:-4]), ("same", vector)], 0.999)
    assert found is not None
    assert found[0] == "same"
    assert found[1] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("odd", [[], [0.0, 0.0], [nan, 1.0], [inf, 1.0], [1e308, 1e308, 1e308]], ids=str)
def test_what_has_no_direction_is_no_vector(odd: list[float]) -> None:
    with pytest.raises(ValueError, match="direction"):
        normalize(odd)


@given(st.binary(max_size=50), st.binary(max_size=12), st.text(max_size=5))
def test_an_answer_comes_back_as_it_was(body: bytes, vector: bytes, bucket: str) -> None:
    one = CachedAnswer(
        1.5, "claude", body, route="r/m", dropped=("a",), usage=Usage(1, 2), bucket=bucket, vector=vector
    )
    assert unpack(pack(one)) == one


def test_an_answer_of_before_there_were_vectors_can_be_read() -> None:
    head = b'{"at":1.0,"dialect":"openai","status":200,"content_type":"x","route":"","dropped":[],"usage":{}}'
    assert unpack(head + b"\n{}") == CachedAnswer(1.0, "openai", b"{}", content_type="x")
