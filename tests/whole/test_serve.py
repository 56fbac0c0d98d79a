"""`omniroute-ctl serve` as a user starts it, with and without a window, and the demo."""

import json
import re
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import BIN, PATIENCE, alarms, clean_environ, end, free_port, until

from omniroute.store.config import snapshot
from omniroute.store.db.database import Store

ASKED = {"model": "demo", "messages": [{"role": "user", "content": "Say hello."}]}


@contextmanager
def serving(tmp_path: Path, *arguments: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """Run the command until it says that it is ready; give what it said, and its log."""
    log_file = tmp_path / "serve.log"
    command = [str(BIN / "omniroute-ctl"), "serve", "--port", "0", "--web-port", "0", "--json", *arguments]
    with log_file.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=clean_environ(tmp_path / "data", {}),
        )

    def said() -> dict[str, Any] | None:
        text = log_file.read_text(encoding="utf-8")
        assert process.poll() is None, text
        ready = [line for line in text.splitlines() if line.startswith("{")]
        return json.loads(ready[0]) if ready else None

    try:
        yield until("the gateway says that it is ready", said), log_file
    finally:
        end(process)
    text = log_file.read_text(encoding="utf-8")
    assert process.returncode == 0, text
    assert not alarms(text), text


@pytest.mark.parametrize("more", [[], ["--headless"]], ids=["mitmweb", "headless"])
def test_the_demo_shows_the_main_job(tmp_path: Path, more: list[str]) -> None:
    with serving(tmp_path, "--demo", *more) as (said, _):

        def ask() -> tuple[str, str]:
            reply = httpx.post(f"{said['endpoint']}/v1/chat/completions", json=ASKED, timeout=PATIENCE)
            assert reply.status_code == 200
            return reply.headers["x-omniroute-route"], reply.headers["x-omniroute-attempts"]

        assert ask() == ("demo-claude/pretend-claude", "2"), "the first one falls back"
        assert ask() == ("demo-claude/pretend-claude", "1"), "who has refused rests"
        until("it has rested enough", lambda: ask() == ("demo-openai/pretend-gpt", "1"))
        assert (said["mitmweb"] is None) == bool(more)
        if not more:
            _look_at_mitmweb(said["mitmweb"])
    store = Store(tmp_path / "data")
    try:
        config = snapshot.load(store)
        assert not config.nodes
        assert not config.combos
    finally:
        store.close()


def _look_at_mitmweb(panel: str) -> None:
    address = urllib.parse.urlsplit(panel)
    base = f"{address.scheme}://{address.netloc}"
    assert httpx.get(f"{base}/flows").status_code == 403, "mitmweb asks for its log-in"
    flows = httpx.get(f"{base}/flows?{address.query}").json()
    assert sum("↩" in flow["marked"] or "arrow" in flow["marked"] for flow in flows) >= 1
    assert any("demo-openai/pretend-gpt" in flow["comment"] and "429" in flow["comment"] for flow in flows)


def test_a_person_reads_where_it_is_and_what_to_type_next(tmp_path: Path) -> None:
    command = [str(BIN / "omniroute-ctl"), "serve", "--port", "0", "--web-port", "0", "--demo"]
    log_file = tmp_path / "serve.log"
    with log_file.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=clean_environ(tmp_path / "data", {}),
        )
    try:
        until("it has said all", lambda: '"demo"' in log_file.read_text("utf-8"))
    finally:
        end(process)
    text = log_file.read_text("utf-8")
    assert re.search(r"Endpoint +http://127\.0\.0\.1:\d+/v1\n", text)
    assert re.search(r"Panel +http://127\.0\.0\.1:\d+/omniroute/\n", text)
    assert re.search(r"mitmweb +http://127\.0\.0\.1:\d+/\?token=\w+\n", text)
    assert str(tmp_path / "data") in text
    assert '"model": "demo"' in text


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    log_file = tmp_path / "serve.log"
    with log_file.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [str(BIN / "omniroute-ctl"), "serve", "--port", "0", "--headless"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=clean_environ(tmp_path / "data", {}),
        )  # fmt: skip
    try:
        until("it is ready", lambda: "Ctrl-C" in log_file.read_text("utf-8"))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        end(process)
    assert "Traceback" not in log_file.read_text("utf-8")
    assert not (tmp_path / "data/runtime.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--port", "99999"], 2, "99999"),
        (["--set", "oops"], 2, "oops"),
        (["--set", "no_such_option=1"], 1, "no_such_option"),
        (["--set", "omniroute_keepalive=-1"], 1, "omniroute_keepalive"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    done = _run(tmp_path, "--port", "0", "--headless", *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, "--headless") as (said, _):
        port = said["endpoint"].rpartition(":")[2]
        done = _run(tmp_path, "--headless", "--port", port)
        web = _run(tmp_path, "--port", str(free_port()), "--web-port", port)
    for refused in (done, web):
        assert refused.returncode == 1
        assert f"port {port}" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def _run(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(BIN / "omniroute-ctl"), "serve", *arguments]
    environ = clean_environ(tmp_path / "data", {})
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environ)
