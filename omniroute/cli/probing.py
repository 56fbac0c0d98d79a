"""What the commands that ask providers have in common."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from omniroute.cli.output import console
from omniroute.upstream.probe import Result


@contextmanager
def progress(text: str) -> Iterator[None]:
    """Show on a terminal that something is awaited; nothing elsewhere."""
    shown = console(err=True)
    with shown.status(text) if shown.is_terminal else nullcontext():
        yield


def result_json(result: Result) -> dict[str, object]:
    return {
        "ok": result.ok,
        "status": result.status,
        "latency_ms": result.latency_ms,
        "detail": result.detail,
        "models": result.models,
    }
