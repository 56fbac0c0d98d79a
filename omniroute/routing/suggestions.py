"""Suggestions of similar names for an unknown name."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from heapq import nlargest

MOST = 5
_ALIKE = 0.6
_ROUGH = 40
"""Number of names to compare with the slow matcher, preselected by their common bigrams."""


def close_matches(name: str, known: Iterable[str]) -> list[str]:
    """Return at most five similar names of `known`, the most similar first; equal ones in the order of `known`.

    A name is compared as a whole and without its prefix: `gpt-4o` is similar to `openai/gpt-4o`.
    """
    asked = name[:100].lower()
    pairs = _pairs(asked)
    rough = nlargest(_ROUGH, dict.fromkeys(known), key=lambda other: _overlap(pairs, other))
    ranked = sorted(((_alike(asked, other), other) for other in rough), key=lambda scored: -scored[0])
    return [other for score, other in ranked if score >= _ALIKE][:MOST]


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)} or {text}


def _overlap(pairs: set[str], other: str) -> float:
    theirs = _pairs(other[:100].lower())
    return len(pairs & theirs) / (len(pairs) + len(theirs))


def _alike(asked: str, other: str) -> float:
    matcher = SequenceMatcher(b=asked, autojunk=False)
    best = 0.0
    for text in {other[:100].lower(), other[:100].lower().rpartition("/")[2]}:
        matcher.set_seq1(text)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            best = max(best, matcher.ratio())
    return best
