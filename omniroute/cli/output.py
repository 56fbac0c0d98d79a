"""Output of commands: tables and lines of text, or JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from omniroute.cli.base import clean

PIPED_WIDTH = 4000
"""Width of tables when stdout is not a terminal; large, so that no cell is folded."""

STYLES = {"ok": "green", "yes": "green", "warn": "yellow", "no": "yellow", "fail": "red", "failed": "red"}


def console(*, err: bool = False) -> Console:
    stream = sys.stderr if err else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH, highlight=False, markup=False)


def cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case list() | tuple():
            return ", ".join(map(cell, value))
        case _:
            return " ".join(clean(str(value)).split())


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with numbers aligned right; long cells are folded, never cut."""
    lines = [list(row) for row in rows]
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for at, header in enumerate(headers):
        numeric = any(isinstance(line[at], (int, float)) and not isinstance(line[at], bool) for line in lines)
        shown.add_column(header, overflow="fold", justify="right" if numeric else "left")
    for line in lines:
        texts = [cell(value) for value in line]
        shown.add_row(*(Text(text, STYLES.get(text, "")) for text in texts))
    _print(shown)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print name-value pairs, one a line."""
    if not (pairs := list(pairs)):
        return
    shown = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in pairs:
        shown.add_row(name, Text(cell(value)))
    _print(shown)


def _print(shown: Table) -> None:
    on = console()
    if on.is_terminal:
        on.print(shown)
        return
    with on.capture() as printed:
        on.print(shown)
    for line in printed.get().splitlines():
        click.echo(line.rstrip())  # rich pads the last column to its full width


def mask(api_key: str | None) -> str | None:
    """Mask a key, leaving enough to tell it from others; a short one is masked completely."""
    if api_key is None:
        return None
    return f"•••• {api_key[-4:]}" if len(api_key) >= 12 else "••••"


def say(text: str) -> None:
    click.echo(clean(text))


def note(text: str) -> None:
    """Print a remark to stderr, so that stdout holds the result only."""
    click.echo(clean(text), err=True)


def show_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def iso(at: float | None) -> str | None:
    """Format a time in seconds of the epoch as ISO 8601 in UTC, for JSON output."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def local(at: float | None) -> str | None:
    """Format a time in seconds of the epoch in the local time zone, for text output."""
    return None if at is None else datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
