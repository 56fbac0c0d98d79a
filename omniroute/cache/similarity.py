"""Exact nearest-neighbor search among normalized vectors by cosine similarity.

Most vectors are ruled out by the distance of their first components, which is a lower bound of the whole distance. The
rest are compared in full, so the result is exact.
"""

from array import array
from collections.abc import Iterable, Sequence
from math import dist, fsum, isfinite, sqrt, sumprod

BEGINNING = 128
"""Number of components to compare first."""
ROUNDING = 1e-5
"""Tolerance for the distance of rounded vectors."""


def normalize(numbers: Sequence[float]) -> bytes:
    """Normalize a vector to 32-bit floats. Raises ValueError for a zero or non-finite one."""
    length = sqrt(fsum(number * number for number in numbers)) if all(map(isfinite, numbers)) else 0.0
    if not 0 < length < float("inf"):
        raise ValueError("the numbers have no direction")
    return array("f", (number / length for number in numbers)).tobytes()


def nearest(vector: bytes, kept: Iterable[tuple[str, bytes]], least: float) -> tuple[str, float] | None:
    """Return the key of the nearest vector and its cosine, which is at least `least`; None if there is none."""
    wanted = array("f", vector).tolist()
    beginning, found = wanted[:BEGINNING], None
    far = sqrt(max(0.0, 2 - 2 * least)) + ROUNDING
    for key, other in kept:
        if len(other) != len(vector):
            continue
        numbers = array("f", other)
        if dist(beginning, numbers[:BEGINNING].tolist()) > far:
            continue
        near = min(1.0, sumprod(wanted, numbers.tolist()))
        if near >= least and (found is None or near > found[1]):
            found, far = (key, near), sqrt(max(0.0, 2 - 2 * near)) + ROUNDING
    return found
