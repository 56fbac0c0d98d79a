"""What `doctor` finds in what is set up, and in the machine."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Ctl

from omniroute.cli.doctor import check_space, check_version
from omniroute.cli.gateway_process import Running
from omniroute.routing.health import Cooldown, HealthChanges
from omniroute.store.config import rows
from omniroute.store.db.database import Connections, Store
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.upgrade import inspect, migrate
from omniroute.store.state import health, password

type Found = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def found(as_json: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, free_port: int) -> Found:
    """Run doctor and give what it finds under a name: (verdict, words and advice)."""
    monkeypatch.setenv("PORT", str(free_port))

    def run(name: str, code: int = 0) -> list[tuple[str, str]]:
        checks = as_json("doctor", code=code)["checks"]
        return [(c["verdict"], f"{c['found']} {c['advice'] or ''}") for c in checks if c["name"] == name]

    return run


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def write_runtime(data_dir: Path, **more: Any) -> None:
    said = {"pid": os.getpid(), "host": "127.0.0.1", "port": 1, "web_url": None, "started_at": 1.0, "version": "0.0.1"}
    data_dir.mkdir(exist_ok=True)
    (data_dir / "runtime.json").write_text(json.dumps(said | more), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [("JWT_SECRET", "short", "warn"), ("API_KEY_SECRET", "x" * 15, "warn"), ("STORAGE_ENCRYPTION_KEY", "abc", "warn"),
     ("INITIAL_PASSWORD", "seven77", "fail")],
)  # fmt: skip
def test_short_secrets(found: Found, monkeypatch: pytest.MonkeyPatch, name: str, value: str, verdict: str) -> None:
    monkeypatch.setenv(name, value)
    ((said, words),) = found(name, code=verdict == "fail")
    assert said == verdict
    assert value not in words


def test_ways_in(ctl: Ctl, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    ctl("node", "list")
    assert found("keys")[0][0] == "ok"
    monkeypatch.setenv("BASE_URL", "https://llm.example.org")
    assert "REQUIRE_API_KEY=true" in found("keys")[0][1]
    monkeypatch.setenv("REQUIRE_API_KEY", "true")
    assert found("keys")[0][0] == "ok"
    monkeypatch.delenv("BASE_URL")
    monkeypatch.delenv("REQUIRE_API_KEY")
    ctl("settings", "set", "trusted_proxies", "127.0.0.1")
    assert "REQUIRE_API_KEY=true" in found("keys")[0][1]
    monkeypatch.setenv("HOSTNAME", "0.0.0.0")
    assert "key create" in found("keys")[0][1]
    ctl("key", "create", "both", "--scope", "admin", "--scope", "inference")
    monkeypatch.delenv("HOSTNAME")
    ctl("settings", "set", "trusted_proxies", "--default")
    assert "both ask models and administer" in found("keys")[0][1]
    assert not found("log-in")
    monkeypatch.setenv("OMNIROUTE_REQUIRE_LOGIN", "false")
    assert found("log-in")[0][0] == "warn"


def test_the_password(ctl: Ctl, found: Found) -> None:
    ctl("node", "list")
    assert "none yet" in found("password")[0][1]
    ctl("password", "set", "--stdin", input="correct horse battery")
    assert found("password") == [("ok", "set ")]


def test_where_credentials_go(ctl: Ctl, found: Found, free_port: int, listening: int) -> None:
    for prefix, url in (
        ("far", "http://llm.example.org/v1"), ("gone", "http://127.0.0.1:9/v1"), ("near", "http://10.1.2.3/v1"),
        ("here", f"http://127.0.0.1:{listening}/v1"), ("safe", "https://llm.example.org/v1"),
    ):  # fmt: skip
        ctl("node", "add", prefix, "--dialect", "openai", "--base-url", url)
    words = [words for verdict, words in found("base URL") if verdict == "warn"]
    assert len(words) == 2
    assert "'far'" in words[0]
    assert "in the clear to llm.example.org" in words[0]
    assert "127.0.0.1:9, where nobody listens" in words[1]
    ctl("node", "add", "loop", "--dialect", "openai", "--base-url", f"http://127.0.0.1:{free_port}/v1")
    assert any("this gateway itself" in said for verdict, said in found("base URL", code=1) if verdict == "fail")


def test_a_credential_that_its_provider_refuses(ctl: Ctl, found: Found, data_dir: Path) -> None:
    ctl("provider", "add", "openai", "--api-key", "sk-one-of-some-length")
    now = time.time()
    with closing(Store(data_dir)) as store:
        (account,) = rows.accounts(store)
        held = Cooldown(now + 100, now, 1, "auth", "401", False)
        health.save(store, HealthChanges({("account", account.id, ""): held}, {}))
    ((verdict, words),) = found("credential")
    assert verdict == "warn"
    assert f"provider test {account.id}" in words


def test_a_clock_that_was_set_back(ctl: Ctl, found: Found, data_dir: Path) -> None:
    ctl("node", "list")
    assert not found("clock")
    write_runtime(data_dir, started_at=time.time() + 3600)
    assert "behind" in found("clock", code=1)[0][1]


def test_another_version_that_runs(found: Found, data_dir: Path) -> None:
    write_runtime(data_dir)
    ((verdict, words),) = found("gateway", code=1)
    assert verdict == "warn"
    assert "0.0.1" in words


def test_this_version(data_dir: Path) -> None:
    from omniroute import __version__

    assert check_version(Running(1, "127.0.0.1", 1, None, None, __version__)).verdict == "ok"


def test_an_older_database_is_left_as_it_is(ctl: Ctl, found: Found, data_dir: Path) -> None:
    ctl("node", "list")
    path = data_dir / "storage.sqlite"
    for file in data_dir.glob("storage.sqlite*"):
        file.unlink()
    path.touch(mode=0o600)
    db = Connections(path)
    migrate(db, path, clock=time.time, migrations=MIGRATIONS[:3])
    db.shut()
    ((verdict, words),) = found("database")
    assert verdict == "warn"
    assert f"has version 3 and this program needs version {len(MIGRATIONS)}" in words
    assert "omniroute-ctl db migrate" in words
    assert inspect(path) == 3


@pytest.mark.parametrize(("free", "verdict"), [(10**12, "ok"), (5 * 10**8, "warn"), (10**7, "fail")])
def test_room_on_the_disk(free: int, verdict: str) -> None:
    assert check_space(free).verdict == verdict


def test_doctor_changes_nothing_that_it_reports(ctl: Ctl, found: Found, data_dir: Path) -> None:
    ctl("password", "set", "--stdin", input="correct horse battery")
    found("password")
    with closing(Store(data_dir)) as store:
        assert password.matches(store, "correct horse battery")


@pytest.mark.usefixtures("home")
def test_a_model_that_similar_requests_are_found_by_can_be_asked(ctl: Ctl, found: Found) -> None:
    assert not found("cache.similar")
    ctl("settings", "set", "cache.similar", "home/e5")
    assert not found("cache.similar")
    ctl("node", "remove", "home")
    assert [verdict for verdict, _ in found("cache.similar")] == ["warn"]
    ctl("settings", "set", "cache.similar", "off")
    assert not found("cache.similar")
