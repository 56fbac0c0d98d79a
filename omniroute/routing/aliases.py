"""Other names for models and combos: which pattern a name falls under, and which of several counts."""

from collections.abc import Sequence

from omniroute.routing.config import Alias

LITERAL, STAR, QUESTION = 11, -49, -4
"""What a character of a pattern adds to how specific it is: a literal much, a wildcard less than nothing."""


def specificity(pattern: str) -> int:
    """Weigh a pattern: of all that match a name, the heaviest counts."""
    stars, questions = pattern.count("*"), pattern.count("?")
    return LITERAL * (len(pattern) - stars - questions) + STAR * stars + QUESTION * questions


def is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def matching(name: str, aliases: Sequence[Alias]) -> list[Alias]:
    """Give the aliases with wildcards that match, the one that counts first; of equal weight the oldest is first.

    Letters match in either case. Nothing but `*` and `?` is special: `opus[1m]` means its brackets.
    """
    folded = name.casefold()
    found = [alias for alias in aliases if is_wild(alias.pattern) and matches(alias.pattern.casefold(), folded)]
    return sorted(found, key=lambda alias: (-specificity(alias.pattern), alias.created_at))


def matches(pattern: str, name: str) -> bool:
    """Match the whole of a name; without regular expressions, so that no pattern takes for ever."""
    at = here = 0
    star, tried = -1, 0
    while here < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, tried = at, here
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[here]):
            at += 1
            here += 1
        elif star >= 0:
            # What stood for the last star was too short: give it one character more.
            tried += 1
            at, here = star + 1, tried
        else:
            return False
    return not pattern[at:].strip("*")
