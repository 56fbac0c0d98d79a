"""A progress line on the terminal for long operations."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from omniroute.cli.base import State
from omniroute.store.db.copies import Progress


@contextmanager
def progress_line(state: State) -> Iterator[Progress]:
    """Yield a callback that shows progress on stderr if that is a terminal; the line is cleared at the end."""
    shown = sys.stderr.isatty() and not state.as_json

    def report(what: str, done: int, total: int) -> None:
        if shown:
            click.echo(f"\r\x1b[K{what}: {100 * done // max(total, 1)} %", err=True, nl=False)

    try:
        yield report
    finally:
        if shown:
            click.echo("\r\x1b[K", err=True, nl=False)
