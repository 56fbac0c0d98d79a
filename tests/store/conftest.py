from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError


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


@pytest.fixture
def refuses(store: Store) -> Callable[..., str]:
    """Call something that must be refused; return the refusal, with nothing changed."""

    def refused(call: Callable[..., object], *args: object, **kwargs: object) -> str:
        before = store.revision()
        with pytest.raises(StoreError) as caught:
            call(store, *args, **kwargs)
        assert store.revision() == before
        return str(caught.value)

    return refused
