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
from harness import PATIENCE, Gateway, Upstream, until

from omniroute.cli import main
from omniroute.store.config import aliases, keys, nodes, rows
from omniroute.store.db.database import Store
from omniroute.store.state import sessions

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
        with httpx.Client(
            trust_env=False, timeout=PATIENCE, headers={"authorization": f"Bearer {self._key}"}
        ) as client:
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


class ByCtl:
    """By the commands, in a process of their own as far as the gateway can tell."""

    def __init__(self, ctl: Any) -> None:
        self._ctl = ctl

    def create(self) -> str:
        return str(self._ctl("db", "backups", "create")["id"])

    def export(self, file: Path) -> None:
        self._ctl("db", "export", str(file))

    def export_all(self, file: Path) -> None:
        self._ctl("db", "export-all", str(file))

    def restore(self, backup: str) -> str:
        return str(self._ctl("db", "restore", backup)["backup"])

    def bring_in(self, file: Path) -> bool:
        """Import it, and tell whether our keys stay."""
        return bool(self._ctl("db", "import", str(file))["keys_kept"])

    def refused(self, file: Path) -> str:
        return str(self._ctl("db", "import", str(file), code=1)["error"])

    def is_sound(self) -> bool:
        return bool(self._ctl("db", "check")["ok"])


class ByHttp:
    """By the management API on the very port that the clients ask."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def create(self) -> str:
        return str(self._asked("PUT", "db-backups", status=201)["id"])

    def export(self, file: Path) -> None:
        file.write_bytes(self._client.get("db-backups/export").raise_for_status().content)

    def export_all(self, file: Path) -> None:
        file.write_bytes(self._client.get("db-backups/exportAll").raise_for_status().content)

    def restore(self, backup: str) -> str:
        return str(self._asked("POST", "db-backups", json={"backupId": backup})["backup"])

    def bring_in(self, file: Path) -> bool:
        """Import it, and tell whether our keys stay."""
        return bool(self._asked("POST", "db-backups/import", files={"file": file.read_bytes()})["keysKept"])

    def refused(self, file: Path) -> str:
        files = {"file": file.read_bytes()}
        return str(self._asked("POST", "db-backups/import", status=400, files=files)["error"]["message"])

    def is_sound(self) -> bool:
        return bool(self._asked("GET", "storage/health")["ok"])

    def _asked(self, method: str, path: str, status: int = 200, **how: Any) -> Any:
        answer = self._client.request(method, path, **how)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def setup(upstream: Upstream) -> tuple[Callable[[Store], None], list[str]]:
    made: list[str] = []

    def fill(store: Store) -> None:
        nodes.add(store, "one", "openai", f"{upstream.base('ok')}/v1")
        nodes.add(store, "two", "openai", f"{upstream.base('ok')}/v1")
        aliases.add(store, "either", "one/m")
        made.append(keys.create(store, "client")[1])

    return fill, made


@pytest.mark.parametrize("way", ["ctl", "http"])
def test_no_request_fails_while_the_database_goes_out_and_comes_in(
    gateway: Callable[..., Gateway],
    setup: tuple[Callable[[Store], None], list[str]],
    tmp_path: Path,
    ctl_of: Any,
    way: str,
) -> None:
    fill, made = setup
    running = gateway(setup=fill)
    headers = {"authorization": f"Bearer {sessions.token(running.store)}"}
    admin = httpx.Client(base_url=f"{running.url}/api", headers=headers, timeout=PATIENCE, trust_env=False)
    with Load(running.url, made[0]).going() as load, admin:
        until("the management answers, too", lambda: admin.get("db-backups").status_code == 200)
        here: ByCtl | ByHttp = ByCtl(ctl_of(running)) if way == "ctl" else ByHttp(admin)
        first = here.create()
        with running.store.change():  # no request may see the moment between
            aliases.remove(running.store, "either")
            aliases.add(running.store, "either", "two/m")
        until("the other node is asked", lambda: _served(running) == "two")
        file, archive = tmp_path / "two.sqlite", tmp_path / "all.tar.gz"
        here.export(file)
        here.export_all(archive)
        load.more()
        backup = here.restore(first)
        until("the first node is asked again", lambda: _served(running) == "one")
        here.bring_in(file)
        until("the imported setup acts", lambda: _served(running) == "two")
        here.restore(backup)
        until("what was before the first restore acts", lambda: _served(running) == "two")
        junk = tmp_path / "junk.sqlite"
        junk.write_bytes(file.read_bytes()[:-4096])
        assert "nothing was changed" in here.refused(junk)
        assert here.bring_in(archive)
        load.more()
        assert here.is_sound()
    assert set(load.statuses) == {200}
    assert load.statuses.total() > 20
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
    assert [key.name for key in rows.keys(running.store)] == ["client"]


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
    told = httpx.post(f"{running.url}/v1/chat/completions", json=body, timeout=PATIENCE, trust_env=False)
    assert told.status_code == 200, told.text
    return told.headers["x-omniroute-route"].partition("/")[0]


def _status(running: Gateway, key: str) -> int:
    body = {"model": "either", "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(
        f"{running.url}/v1/chat/completions", json=body, headers=headers, timeout=PATIENCE, trust_env=False
    ).status_code


def _rows(running: Gateway) -> int:
    return int(running.store.db.connection().execute("select count(*) from usage_history").fetchone()[0])
