"""route, usage, status and doctor: commands that look and change nothing."""

import json
import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cases import every
from stand_ins import Ctl, Web

import omniroute
from omniroute.cli.usage import moment
from omniroute.serving import run
from omniroute.store.db.database import Store
from omniroute.store.history.usage import AttemptRow, UsageRow, record

SECRET = "sk-live-0123456789abcdef"


@pytest.fixture
def configured(ctl: Ctl) -> None:
    ctl("node", "add", "home", "--dialect", "openai", "--base-url", "http://127.0.0.1:9/v1")
    ctl("provider", "add", "openai", "--api-key", SECRET, "--name", "work")
    ctl("provider", "add", "openai", "--api-key", SECRET, "--name", "spare", "--priority", "5")
    ctl("provider", "add", "openai", "--api-key", SECRET, "--name", "old")
    ctl("provider", "disable", "old")
    ctl("combo", "add", "best", "openai/gpt-4o", "home/m", "groq/llama-3.1-8b-instant")


def test_a_route_is_explained_in_order_with_what_is_left_out(ctl: Ctl, as_json, configured) -> None:
    found = as_json("route", "explain", "best")
    assert [(t["target"], t["account"]) for t in found["targets"]] == [
        ("openai/gpt-4o", "work"), ("openai/gpt-4o", "spare"), ("home/m", "no key"),
    ]  # fmt: skip
    assert {(out["target"], out["account"]) for out in found["left_out"]} == {
        ("openai/gpt-4o", "old"), ("groq/llama-3.1-8b-instant", None),
    }  # fmt: skip
    assert found["kind"] == "combo"
    shown = ctl("route", "explain", "best").stdout
    assert shown.index("work") < shown.index("spare") < shown.index("home/m") < shown.index("Left out")
    assert "the account is disabled" in shown
    assert "Groq has no account" in shown


def test_nothing_is_cut_when_piped(ctl: Ctl) -> None:
    url = f"http://127.0.0.1:9/{'long/' * 60}v1"
    ctl("node", "add", "home", "--dialect", "openai", "--base-url", url, "--name", "n" * 100)
    (_, line) = ctl("node", "list").stdout.splitlines()
    assert url in line
    assert "n" * 100 in line


def test_a_route_is_explained_for_a_key_and_a_dialect(ctl: Ctl, as_json, refused, configured) -> None:
    ctl("key", "create", "guest", "--allow", "home/*")
    assert as_json("route", "explain", "home/m", "--key", "guest", "--dialect", "openai-chat")["targets"]
    assert "guest" in refused("route", "explain", "best", "--key", "guest")
    assert "did you mean guest?" in refused("route", "explain", "best", "--key", "gust")
    assert "omniroute-ctl key list" in refused("route", "explain", "best", "--key", "xyzzy")
    assert "klingon" in refused("route", "explain", "best", "--dialect", "klingon", code=2)


def test_a_route_to_nobody_is_said(ctl: Ctl, as_json, configured) -> None:
    ctl("provider", "add", "groq", "--api-key", SECRET)
    ctl("provider", "disable", "groq")
    assert as_json("route", "explain", "groq/llama-3.1-8b-instant")["targets"] == []
    assert "Nobody can serve it now." in ctl("route", "explain", "groq/llama-3.1-8b-instant").stdout


@pytest.mark.parametrize("model", ["opnai/gpt-4o", "bst", "", "nobody/knows"])
def test_an_unknown_model_is_refused_with_near_names(refused, configured, model) -> None:
    line = refused("route", "explain", model)
    assert {"opnai/gpt-4o": "openai/gpt-4o", "bst": "best"}.get(model, "model") in line


def row(number: int, **changes: object) -> UsageRow:
    plain = {
        "id": str(number), "at": datetime.now().timestamp() - 60, "key_id": None, "key_name": None, "account_id": "a1",
        "account_name": "work", "provider": "openai", "model_asked": "best", "model_served": "openai/gpt-4o",
        "combo": "best", "client_dialect": "openai", "upstream_dialect": "openai", "path": "/v1/chat/completions",
        "streamed": True, "status": 200, "error": None, "input": 1000, "output": 200, "cache_read": 50,
        "cache_write": None, "reasoning": None, "cost": 0.5, "attempts": (AttemptRow("t", "a", "ok", 200, 1.0, ""),),
        "latency_ms": 1200.0, "ttft_ms": 300.0, "overhead_ms": 1.0, "dropped": (),
    }  # fmt: skip
    return UsageRow(**plain | changes)  # type: ignore[arg-type]


@pytest.fixture
def used(data_dir: Path) -> None:
    store = Store(data_dir)
    old = datetime.now().timestamp() - 3 * 86400
    nobody = {"provider": None, "account_id": None, "account_name": None, "status": 503}
    silent = {"input": None, "output": None, "cache_read": None, "cost": None}
    rows = [
        row(1),
        row(2, provider="groq", cost=None),
        row(3, at=old, key_id="k", key_name="laptop"),
        row(4, **nobody, **silent),
    ]
    try:
        record(store, rows)
    finally:
        store.close()


@pytest.mark.parametrize("by", ["provider", "model", "key", "account", "day"])
def test_usage_adds_up_however_it_is_grouped(ctl: Ctl, as_json, used, by) -> None:
    found = as_json("usage", "--by", by)
    assert sum(each["requests"] for each in found["rows"]) == found["total"]["requests"] == 4
    assert sum(each["input"] for each in found["rows"]) == 3000
    shown = ctl("usage", "--by", by).stdout
    assert shown.splitlines()[0].startswith(by)


def test_an_unknown_cost_is_never_nothing(ctl: Ctl, as_json, used) -> None:
    rows = {each["name"]: each for each in as_json("usage")["rows"]}
    assert rows["groq"]["cost"] is None
    assert rows["openai"]["cost"] == 1.0
    shown = ctl("usage").stdout
    assert "$1.0000 and 1 unknown" in shown
    assert "$0" not in shown
    assert "nobody answered" in shown
    assert "no key" in ctl("usage", "--by", "key").stdout


def test_usage_since(as_json, used) -> None:
    assert as_json("usage", "--since", "12h")["total"]["requests"] == 3
    day = (datetime.now() - timedelta(days=5)).date().isoformat()
    assert as_json("usage", "--since", day)["total"]["requests"] == 4


@pytest.mark.parametrize(
    ("said", "seconds"), [("30m", 1800), ("12h", 43200), ("7d", 604800), ("4w", 2419200), ("0m", 0)]
)
def test_a_time_that_is_so_long_ago(said, seconds) -> None:
    assert datetime.now().timestamp() - moment(said) == pytest.approx(seconds, abs=3600 + 5)  # a clock may be set back


@every("said", ["", "7", "7y", "-7d", "yesterday", "2026-13-01", "999999w", "٣d", "9999-01-01", "7d "])
def test_a_time_that_is_none(refused, said) -> None:
    assert "Invalid value for '--since'" in refused("usage", "--since", said, code=2)


def test_no_usage_yet(ctl: Ctl) -> None:
    assert "Nothing was asked since" in ctl("usage").stdout


def write_runtime(data_dir: Path, port: int, pid: int, **changes: object) -> None:
    data_dir.mkdir(mode=0o700, exist_ok=True)
    plain = {"pid": pid, "host": "127.0.0.1", "port": port, "web_url": "http://127.0.0.1:8081/?token=t",
             "started_at": 1.0, "version": omniroute.__version__}  # fmt: skip
    path = data_dir / "runtime.json"
    path.write_bytes(json.dumps(plain | changes).encode())
    path.chmod(0o600)


def test_status_of_what_does_not_run_makes_nothing(ctl: Ctl, as_json, data_dir: Path) -> None:
    found = as_json("status")
    assert found["running"] is False
    assert found["accounts"] == 0
    assert "omniroute-ctl serve" in ctl("status").stdout
    assert not data_dir.exists()


def test_status_of_what_runs(ctl: Ctl, as_json, data_dir: Path, web: Web, configured) -> None:
    web.answers["HEAD /api/hello"] = (200, "")
    write_runtime(data_dir, web.port, os.getpid())
    found = as_json("status")
    assert found["running"] is True
    assert found["answers"] is True
    assert found["endpoint"] == web.url
    assert found["mitmweb"] == "http://127.0.0.1:8081/?token=t"
    assert [found[name] for name in ("accounts", "nodes", "combos", "keys")] == [3, 1, 1, 0]
    shown = ctl("status").stdout
    assert web.url in shown
    assert "http://127.0.0.1:8081/?token=t" in shown


def test_status_of_a_gateway_that_hangs_or_has_nobody_to_ask(ctl: Ctl, data_dir: Path, web: Web) -> None:
    write_runtime(data_dir, web.port, os.getpid(), web_url=None)
    shown = ctl("status").stdout
    assert "does not answer" in shown
    assert "omniroute-ctl provider add" in shown


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"pid": 1}', b'{"pid": "x", "host": "h", "port": 1}', b"\xff"])
def test_a_runtime_file_that_cannot_be_read_is_no_gateway(as_json, data_dir: Path, junk) -> None:
    data_dir.mkdir()
    (data_dir / "runtime.json").write_bytes(junk)
    assert as_json("status")["running"] is False


def test_a_second_gateway_on_the_same_data_directory_says_so(
    ctl: Ctl, data_dir: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run", lambda setup, ready: None)
    start = ("serve", "--headless", "--port", "0")
    write_runtime(data_dir, web.port, os.getpid())
    assert ctl(*start).stderr == ""  # what has that process id now is no gateway
    web.answers["HEAD /api/hello"] = (200, "")
    assert f"Another gateway runs on this data directory, at {web.url}" in ctl(*start).stderr


def test_a_runtime_file_that_a_dead_gateway_left(as_json, data_dir: Path, web: Web) -> None:
    done = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(done, 0)
    write_runtime(data_dir, web.port, done)
    assert as_json("status")["running"] is False


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:{}"), ("::", "http://[::1]:{}"), ("localhost", "http://localhost:{}")],
)
def test_the_endpoint_can_be_typed_in(as_json, data_dir: Path, host, url) -> None:
    write_runtime(data_dir, 1, os.getpid(), host=host)
    assert as_json("status")["endpoint"] == url.format(1)


@pytest.fixture
def checks(as_json, monkeypatch, free_port):
    """Run doctor and give its checks by name; the port is a free one unless a test says otherwise."""
    monkeypatch.setenv("PORT", str(free_port))

    def run(code: int = 0) -> dict[str, dict[str, str]]:
        return {check["name"]: check for check in as_json("doctor", code=code)["checks"]}

    return run


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_doctor_finds_a_new_machine_well(ctl: Ctl, checks, data_dir: Path) -> None:
    assert {check["verdict"] for check in checks().values()} == {"ok"}
    assert not data_dir.exists()
    assert "0 failed" in ctl("doctor").stdout


def test_doctor_finds_a_machine_in_use_well(checks, ctl: Ctl) -> None:
    ctl("provider", "add", "openai", "--api-key", SECRET)
    ctl("combo", "add", "c", "openai/gpt-4o")
    found = checks()
    assert {check["verdict"] for check in found.values()} == {"ok"}
    assert set(found) >= {"Python", "mitmproxy", "environment", "port", "data directory", "files", "database", "combos"}


def test_doctor_says_what_is_missing(ctl: Ctl, checks) -> None:
    ctl("combo", "add", "c", "openai/gpt-4o")
    found = checks()
    assert found["accounts"]["verdict"] == found["combo"]["verdict"] == "warn"
    assert "provider add" in found["accounts"]["advice"]
    ctl("provider", "add", "openai", "--api-key", SECRET)
    ctl("provider", "disable", "openai")
    assert "provider enable" in checks()["accounts"]["advice"]


@pytest.mark.parametrize("name", ["storage.sqlite", "secrets.json"])
def test_doctor_fails_when_others_may_read(ctl: Ctl, checks, data_dir: Path, name) -> None:
    ctl("key", "create", "k")
    (data_dir / name).chmod(0o644)
    assert name in checks(code=1)["files"]["found"]


def test_doctor_warns_of_an_open_directory(ctl: Ctl, checks, data_dir: Path) -> None:
    ctl("key", "create", "k")
    data_dir.chmod(0o755)
    assert checks()["data directory"]["verdict"] == "warn"


def test_doctor_fails_on_a_damaged_database(ctl: Ctl, checks, data_dir: Path) -> None:
    ctl("key", "create", "k")
    path = data_dir / "storage.sqlite"
    whole = bytearray(path.read_bytes())
    whole[100:200] = b"\xff" * 100
    path.write_bytes(whole)
    assert "storage.sqlite" in checks(code=1)["database"]["found"]
    assert ctl("doctor", code=1).stdout.splitlines()[-1].endswith("1 failed")


@pytest.mark.parametrize(
    ("name", "value"),
    [("INITIAL_PASSWORD", "123456"), ("JWT_SECRET", "omniroute-default-secret-change-me"),
     ("API_KEY_SECRET", "endpoint-proxy-api-key-secret")],
)  # fmt: skip
def test_doctor_fails_on_secrets_that_everybody_knows(checks, monkeypatch, name, value) -> None:
    monkeypatch.setenv(name, value)
    assert checks(code=1)[name]["verdict"] == "fail"


def test_doctor_warns_when_others_can_reach_it(checks, monkeypatch) -> None:
    monkeypatch.setenv("HOSTNAME", "0.0.0.0")
    assert checks()["environment"]["verdict"] == "warn"


@pytest.mark.parametrize("port", ["99999", "http", "-1"])
def test_doctor_fails_on_a_port_that_is_none(checks, monkeypatch, port) -> None:
    monkeypatch.setenv("PORT", port)
    assert "PORT" in checks(code=1)["port"]["found"]


def test_doctor_tells_our_port_from_one_that_is_taken(checks, monkeypatch, data_dir: Path, web: Web) -> None:
    monkeypatch.setenv("PORT", str(web.port))
    assert "taken by another program" in checks(code=1)["port"]["found"]
    write_runtime(data_dir, web.port, os.getpid())
    assert "does not answer" in checks(code=1)["port"]["found"]
    web.answers["HEAD /api/hello"] = (200, "")
    assert checks()["port"]["verdict"] == "ok"
