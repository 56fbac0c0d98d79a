"""Telling whoever makes a change which combos it touches."""

from collections.abc import Sequence

from omniroute.cli.output import say
from omniroute.routing.affected import targets_of
from omniroute.routing.config import Config


def tell_combos(names: Sequence[str], config: Config) -> None:
    for name in names:
        left = len(targets_of(name, config))
        rest = f"{left} target{'s' if left > 1 else ''} left" if left else "nothing left that can serve it"
        say(f"The combo {name!r} used it: {rest}.")
