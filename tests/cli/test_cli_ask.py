"""ask: the answer of a running gateway, as it comes, and every way in which it may not come."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_ins import Ctl, Web


def sse(*events: object, end: str = "data: [DONE]\n\n") -> str:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + end


def piece(text: str | None) -> dict:
    return {"choices": [{"index": 0, "delta": {"content": text} if text is not None else {}}]}


ASK = "POST /v1/chat/completions"
ANSWER = sse(piece("Grüß "), {"choices": []}, piece(None), piece("Gott"))


def running(data_dir: Path, port: int) -> None:
    data_dir.mkdir(mode=0o700, exist_ok=True)
    (data_dir / "runtime.json").write_text(
        json.dumps({"pid": os.getpid(), "host": "127.0.0.1", "port": port}), encoding="utf-8"
    )


@pytest.fixture
def gateway(data_dir: Path, web: Web) -> Web:
    running(data_dir, web.port)
    web.headers = {"x-omniroute-route": "openai/gpt-4o", "x-omniroute-attempts": "2"}
    web.answers[ASK] = (200, ANSWER)
    return web


def test_the_answer_is_on_stdout_and_the_route_on_stderr(ctl: Ctl, gateway: Web) -> None:
    result = ctl("ask", "best", "Hello")
    assert result.stdout == "Grüß Gott\n"
    assert result.stderr == "[openai/gpt-4o, attempts: 2]\n"
    ((_, headers, body),) = gateway.asked
    assert json.loads(body) == {"model": "best", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    assert "authorization" not in headers


def test_everything_that_can_be_said_is_said(ctl: Ctl, gateway: Web, monkeypatch) -> None:
    ctl("ask", "best", "-", "--system", "Be brief", "--max-tokens", "7", "--key", "sk-a", input="From a pipe\n")
    ((_, headers, body),) = gateway.asked
    assert headers["authorization"] == "Bearer sk-a"
    said = json.loads(body)
    assert said["max_tokens"] == 7
    assert [m["role"] for m in said["messages"]] == ["system", "user"]
    assert said["messages"][1]["content"] == "From a pipe\n"
    monkeypatch.setenv("OMNIROUTE_API_KEY", "sk-b")
    ctl("ask", "best", "Hello")
    assert gateway.asked[1][1]["authorization"] == "Bearer sk-b"


def test_with_json_the_answer_is_one_document(as_json, gateway: Web) -> None:
    assert as_json("ask", "best", "Hello") == {"text": "Grüß Gott", "route": "openai/gpt-4o", "attempts": "2"}


@pytest.mark.parametrize("status", [400, 401, 429, 502])
def test_a_refusal_is_one_line(refused, gateway: Web, status) -> None:
    gateway.answers[ASK] = (status, json.dumps({"error": {"message": "there is no model 'best'"}}))
    assert refused("ask", "best", "Hello") == f"Error: there is no model 'best' (status {status})\n"


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (sse({"error": {"message": "the upstream broke"}}), "the upstream broke"),
        (sse({"error": "short"}), "short"),
        (sse({"choices": None}, {"choices": [{"delta": None}]}, end=""), "ended too early"),
        (sse(end=""), "ended too early"),
        ("data: {oops\n\n", "cannot be read"),
        ("data: []\n\n", "cannot be read"),
        ('data: {"choices": [7]}\n\n', "cannot be read"),
        ("<html>", "ended too early"),
    ],
)
def test_a_broken_answer_is_one_line(refused, gateway: Web, stream, says) -> None:
    gateway.answers[ASK] = (200, stream)
    assert says in refused("ask", "best", "Hello")


def test_what_was_said_before_the_break_is_kept(ctl: Ctl, gateway: Web) -> None:
    gateway.answers[ASK] = (200, sse(piece("Half"), end=""))
    result = ctl("ask", "best", "Hello", code=1)
    assert result.stdout == "Half\n"
    assert result.stderr == "Error: the answer ended too early\n"


@pytest.mark.parametrize(("prompt", "input"), [("", None), ("  ", None), ("-", ""), ("-", "\n")])
def test_an_empty_prompt_is_wrong_usage(refused, gateway: Web, prompt, input) -> None:
    assert "PROMPT is empty" in refused("ask", "best", prompt, code=2, input=input)
    assert gateway.asked == []


def test_a_limit_that_is_none(refused, gateway: Web) -> None:
    refused("ask", "best", "Hello", "--max-tokens", "0", code=2)


def test_without_a_gateway_it_says_how_to_start_one(refused) -> None:
    assert "`omniroute-ctl serve`" in refused("ask", "best", "Hello")


def test_a_gateway_that_does_not_answer(refused, data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    running(data_dir, port)
    assert f"does not answer at http://127.0.0.1:{port}" in refused("ask", "best", "Hello")


@pytest.mark.parametrize("key", ["sk-\n-key-that-nobody-has", "sk-schlüssel-den-keiner-hat"])
def test_a_key_that_no_header_can_carry_is_not_repeated(refused, gateway: Web, key) -> None:
    assert key[-8:] not in refused("ask", "best", "Hello", "--key", key)


class Slow:
    """A gateway that says one word and then waits until it is told to go on."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.go_on, self.left = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection:
            connection.settimeout(120)
            request = b""
            while not request.endswith(b"}"):
                request += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + sse(piece("First"), end="").encode())
            if self.go_on.wait(120):
                connection.sendall(sse(piece(", last")).encode())
            elif connection.recv(1) == b"":
                self.left.set()


@pytest.fixture
def slow(data_dir: Path) -> Iterator[Slow]:
    gateway = Slow()
    running(data_dir, gateway.port)
    yield gateway
    gateway.thread.join(120)
    gateway.socket.close()


def start() -> "subprocess.Popen[bytes]":
    program = "from omniroute.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, "ask", "best", "Hello"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_the_answer_is_shown_as_it_comes(slow: Slow) -> None:
    with start() as asking:
        assert asking.stdout
        assert os.read(asking.stdout.fileno(), 100) == b"First"
        slow.go_on.set()
        rest, _ = asking.communicate(timeout=120)
    assert rest == b", last\n"
    assert asking.returncode == 0


def test_ctrl_c_ends_it_quietly(slow: Slow) -> None:
    with start() as asking:
        assert asking.stdout
        assert os.read(asking.stdout.fileno(), 100) == b"First"
        asking.send_signal(signal.SIGINT)
        _, said = asking.communicate(timeout=120)
        slow.go_on.set()
    assert asking.returncode == 130
    assert said.strip() == b""
