"""What a family of models takes, read off its name. A name that tells nothing gets what the most upstreams take."""

import re

CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
FIRST_THINKING = (3, 7)
FIRST_ADAPTIVE = (4, 6)
FIRST_STRICT = (4, 5)
FIRST_PICKY = (4, 1)


def version(model: str) -> tuple[int, int] | None:
    """Give the number of a Claude model: `claude-3-7-sonnet-20250219` is (3, 7), `claude-opus-5` is (5, 0)."""
    found = CLAUDE.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def thinks(model: str) -> bool:
    """Whether it takes `thinking` at all."""
    return (version(model) or FIRST_THINKING) >= FIRST_THINKING


def thinks_adaptively(model: str) -> bool:
    """Whether it sets its own budget and takes an effort instead; the newest take nothing else."""
    return (version(model) or (0, 0)) >= FIRST_ADAPTIVE


def takes_strict(model: str) -> bool:
    """Whether its tools may be `strict`."""
    return (version(model) or (0, 0)) >= FIRST_STRICT


def takes_one_sampling(model: str) -> bool:
    """Whether it refuses `temperature` and `top_p` together."""
    return (version(model) or (0, 0)) >= FIRST_PICKY
