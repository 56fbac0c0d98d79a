"""Which of some vectors is the nearest: all of length 1, so that near is what little lies between.

Most are ruled out by their first numbers, as two vectors are never nearer than their beginnings are. What is left is
looked at whole, so nothing is guessed.
"""

from array import array
from collections.abc import Iterable, Sequence
from math import dist, fsum, isfinite, sqrt, sumprod

BEGINNING = 128
"""Numbers that are looked at first."""
ROUNDING = 1e-5
"""How far the distance of rounded vectors may be off."""


def normalize(numbers: Sequence[float]) -> bytes:
    """Make a vector of numbers; ValueError for such as have no direction."""
    length = sqrt(fsum(number * number for number in numbers)) if all(map(isfinite, numbers)) else 0.0
    if not 0 < length < float("inf"):
        raise ValueError("the numbers have no direction")
    return array("f", (number / length for number in numbers)).tobytes()


def nearest(vector: bytes, kept: Iterable[tuple[str, bytes]], least: float) -> tuple[str, float] | None:
    """Give the key of the vector that is the nearest, and its cosine, which is at least `least`; None for none."""
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
