from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from omniroute.store.database import Store


class Clock:
    """Moves only when told to, and one second with each look, so that ages differ."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def open_store(data_dir: Path, clock: Clock) -> Iterator[Callable[..., Store]]:
    """Open the data directory, as often as wanted, under the environment given."""
    with ExitStack() as stack:

        def opened(directory: Path = data_dir, **environ: str) -> Store:
            store = Store(directory, clock=clock, environ=environ)
            stack.callback(store.close)
            return store

        yield opened


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()
