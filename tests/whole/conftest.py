"""Real processes for the whole tests: `upstream` (also over TLS and HTTP/2) and `gateway`."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from faithful.server import Provider
from harness import Gateway, Upstream
from matrix_kit import UPSTREAMS, Matrix
from shared_gateway import SharedGateway

from omniroute.store.config import keys, nodes
from omniroute.store.db.database import Store

type StartGateway = Callable[..., Gateway]


@pytest.fixture(scope="session")
def _upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Upstream]]:
    """Start each kind of upstream when a test first wants it: most runs need only one."""
    started: dict[tuple[str, ...], Upstream] = {}
    with ExitStack() as stack:

        def get(*arguments: str) -> Upstream:
            if arguments not in started:
                started[arguments] = stack.enter_context(
                    Upstream.start(tmp_path_factory.mktemp("upstream"), *arguments)
                )
            started[arguments].clear()
            return started[arguments]

        yield get


@pytest.fixture
def upstream(_upstreams: Callable[..., Upstream]) -> Upstream:
    return _upstreams()


@pytest.fixture
def upstream_tls(_upstreams: Callable[..., Upstream]) -> Upstream:
    return _upstreams("--tls")


@pytest.fixture
def upstream_h2(_upstreams: Callable[..., Upstream]) -> Upstream:
    return _upstreams("--h2")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """Start a gateway: `gateway(tool=…, options={…}, setup=…)`, as `Gateway.start` has it. The folder is the test's."""
    with ExitStack() as stack:

        def start(**how: Any) -> Gateway:
            folder = how.pop("folder", tmp_path)
            return stack.enter_context(Gateway.start(folder, **how))

        yield start


@pytest.fixture(scope="session")
def no_proxies() -> Iterator[None]:
    """Take the proxies of this machine out of the way of clients that read the environment, as SDKs do."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().endswith("_PROXY"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedGateway]:
    """Start the gateway that tests without options and restarts share, one file or test at a time."""
    with Gateway.start(tmp_path_factory.mktemp("shared")) as gateway:
        yield SharedGateway(gateway)


@pytest.fixture
def lent(shared_gateway: SharedGateway) -> Iterator[StartGateway]:
    """Borrow the shared gateway for one test: `lent(setup=…, deadlines=…)` instead of `gateway(…)`."""
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(shared_gateway.lend(**how))


@pytest.fixture(scope="session")
def _provider() -> Iterator[Provider]:
    """Start one faithful provider for all dialects."""
    with Provider.start() as provider:
        yield provider


@pytest.fixture(scope="module")
def matrix(shared_gateway: SharedGateway, _provider: Provider, no_proxies: None) -> Iterator[Matrix]:
    """Set up one gateway before one faithful provider of each dialect."""
    made: list[str] = []

    def setup(store: Store) -> None:
        for dialect in UPSTREAMS:
            nodes.add(store, f"at-{dialect}", dialect, _provider.base(dialect))
        made.append(keys.create(store, "matrix")[1])

    with shared_gateway.lend(setup) as gateway:
        yield Matrix(gateway, _provider, made[0])
