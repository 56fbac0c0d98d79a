"""The database taken out, brought in and set back while clients are served: nobody notices but by the new setup."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from harness import Gateway, Upstream, until

from omniroute.cli import main
from omniroute.store import aliases, keys, nodes, read
from omniroute.store.database import Store

CLIENTS = 4


class Load:
    """Clients that ask without a pause, and what they were told."""

    def __init__(self, url: str, key: str) -> None:
        self.statuses: Counter[int | str] = Counter()
        self.stop = threading.Event()
        self._url, self._key = url, key
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def _run(self) -> None:
        body = {"model": "either", "messages": [{"role": "user", "content": "hello"}]}
        with httpx.Client(trust_env=False, timeout=60, headers={"authorization": f"Bearer {self._key}"}) as client:
            while not self.stop.is_set():
                try:
                    told: int | str = client.post(f"{self._url}/v1/chat/completions", json=body).status_code
                except httpx.HTTPError as error:
                    told = repr(error)
                self.statuses[told] += 1

    @contextmanager
    def going(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            for thread in self._threads:
                thread.join(60)

    def more(self) -> None:
        """Wait until some more have been answered."""
        before = self.statuses.total()
        until("more answers", lambda: self.statuses.total() > before + 2 * CLIENTS)


@pytest.fixture
def setup(upstream: Upstream) -> tuple[Callable[[Store], None], list[str]]:
    made: list[str] = []

    def fill(store: Store) -> None:
        nodes.add(store, "one", "openai", f"{upstream.base('ok')}/v1")
        nodes.add(store, "two", "openai", f"{upstream.base('ok')}/v1")
        aliases.add(store, "either", "one/m")
        made.append(keys.create(store, "client")[1])

    return fill, made


def test_no_request_fails_while_the_database_goes_out_and_comes_in(
    gateway: Callable[..., Gateway], setup: tuple[Callable[[Store], None], list[str]], tmp_path: Path, ctl_of: Any
) -> None:
    fill, made = setup
    running = gateway(setup=fill)
    ctl = ctl_of(running)
    with Load(running.url, made[0]).going() as load:
        first = ctl("db", "backups", "create")["id"]
        aliases.remove(running.store, "either")
        aliases.add(running.store, "either", "two/m")
        until("the other node is asked", lambda: _served(running) == "two")
        file, archive = tmp_path / "two.sqlite", tmp_path / "all.tar.gz"
        ctl("db", "export", str(file))
        ctl("db", "export-all", str(archive))
        load.more()
        done = ctl("db", "restore", first)
        until("the first node is asked again", lambda: _served(running) == "one")
        ctl("db", "import", str(file))
        until("the imported setup acts", lambda: _served(running) == "two")
        ctl("db", "restore", done["backup"])
        junk = tmp_path / "junk.sqlite"
        junk.write_bytes(file.read_bytes()[:-4096])
        assert "nothing was changed" in ctl("db", "import", str(junk), code=1)["error"]
        assert ctl("db", "import", str(archive))["keys_kept"]
        load.more()
    assert set(load.statuses) == {200}
    assert load.statuses.total() > 20
    assert ctl("db", "check")["ok"]
    asked = load.statuses.total()
    until("every exchange is in the history", lambda: _rows(running) >= asked)


def test_a_restored_setup_shuts_out_whose_key_it_does_not_have(
    gateway: Callable[..., Gateway], setup: tuple[Callable[[Store], None], list[str]], ctl_of: Any
) -> None:
    fill, made = setup
    running = gateway(setup=fill)
    ctl = ctl_of(running)
    before = ctl("db", "backups", "create")["id"]
    later = keys.create(running.store, "later")[1]
    until("the new key opens", lambda: _status(running, later) == 200)
    ctl("db", "restore", before)
    until("it opens nothing any more", lambda: _status(running, later) == 401)
    assert _status(running, made[0]) == 200
    assert [key.name for key in read.keys(running.store)] == ["client"]


@pytest.fixture
def ctl_of() -> Callable[[Gateway], Any]:
    def of(running: Gateway) -> Any:
        def run(*words: str, code: int = 0) -> Any:
            said = CliRunner().invoke(main, [*words, "--json", "--data-dir", str(running.data_dir)])
            assert said.exit_code == code, said.output
            return json.loads(said.stdout if code == 0 else said.stderr)

        return run

    return of


def _served(running: Gateway) -> str | None:
    """Say whose answer a request of now gets."""
    body = {"model": "either", "messages": [{"role": "user", "content": "hello"}]}
    told = httpx.post(f"{running.url}/v1/chat/completions", json=body, timeout=60, trust_env=False)
    assert told.status_code == 200, told.text
    return told.headers["x-omniroute-route"].partition("/")[0]


def _status(running: Gateway, key: str) -> int:
    body = {"model": "either", "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(
        f"{running.url}/v1/chat/completions", json=body, headers=headers, timeout=60, trust_env=False
    ).status_code


def _rows(running: Gateway) -> int:
    return int(running.store.db.connection().execute("select count(*) from usage_history").fetchone()[0])
