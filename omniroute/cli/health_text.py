"""Text output of rate limits, cooldowns, breakers and lockouts."""

from collections.abc import Sequence

from omniroute.cli.output import say, table
from omniroute.config.model import Config
from omniroute.routing.combo_impact import targets_of
from omniroute.store.state.health import Rows


def show_limited(rows: Rows) -> None:
    """Print the limits of accounts and their current use."""
    table(
        ["account", "provider", "a minute", "gap ms", "at once", "in flight", "last minute", "waiting", "shut for"],
        [
            (
                *(row[name] for name in ("account", "provider", "rpm", "gap_ms", "concurrency", "in_flight")),
                row["last_minute"],
                row["waiting"],
                ", ".join(f"{model} {seconds:g} s" for model, seconds in row["shut"].items()) or None,
            )
            for row in rows
        ],
    )


def show(rows: Rows) -> None:
    """Print rows as a table with the field names as headers."""
    table(list(rows[0]), [[number(value) for value in row.values()] for row in rows])


def number(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def tell_combos(names: Sequence[str], config: Config) -> None:
    for name in names:
        left = len(targets_of(name, config))
        rest = f"{left} target{'s' if left > 1 else ''} left" if left else "nothing left that can serve it"
        say(f"The combo {name!r} used it: {rest}.")
