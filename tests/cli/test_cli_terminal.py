"""What a person sees who sits at a terminal: narrow tables, hidden keys, no foreign escape codes."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from stand_ins import Ctl, Web

SECRET = "sk-live-0123456789abcdef"


def at_terminal(*words: str, columns: int = 80, typed: str | None = None) -> str:
    """Run a command line on a pseudo-terminal and give all that it showed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    program = [sys.executable, "-c", "from omniroute.cli import main; main()", *words]
    running = subprocess.Popen(
        program, stdin=theirs, stdout=theirs, stderr=theirs, env=environ | {"TERM": "xterm"}, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    try:
        while True:
            shown += os.read(ours, 65536)
            if typed is not None and shown.endswith(b": "):
                os.write(ours, f"{typed}\n".encode())
                typed = None
    except OSError:  # the other side is closed
        pass
    finally:
        os.close(ours)
        running.wait(120)
    return shown.decode().replace("\r\n", "\n")


def test_a_table_fits_a_narrow_terminal_and_loses_nothing(ctl: Ctl) -> None:
    ctl("node", "add", "home", "--dialect", "openai", "--base-url", "http://127.0.0.1:9/a/rather/long/path/of/mine/v1")
    shown = at_terminal("node", "list", columns=44)
    lines = shown.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert max(map(len, lines)) <= 44
    assert len(lines) > 2
    assert "…" not in shown
    assert "mine/v1" in "".join(line.strip() for line in lines)


def test_colour_is_for_terminals_only(ctl: Ctl) -> None:
    ctl("key", "create", "k")
    assert "\x1b[" in at_terminal("key", "list")
    assert "\x1b" not in ctl("key", "list").stdout


def test_a_key_that_is_typed_is_not_seen(as_json, data_dir: Path) -> None:
    shown = at_terminal("provider", "add", "openai", typed=SECRET)
    assert "API key of OpenAI: " in shown
    assert "Added the OpenAI account" in shown
    assert SECRET not in shown
    assert as_json("provider", "list")[0]["key"] == "•••• cdef"


def test_what_a_provider_says_cannot_steer_the_terminal(ctl: Ctl, web: Web) -> None:
    ctl("node", "add", "home", "--dialect", "openai", "--base-url", web.url)
    ctl("combo", "add", "c", "home/m")
    said = json.dumps({"error": {"message": "\x1b[2J\x1b]0;title\x07[red]gone[/red]"}})
    web.answers = {"GET /v1/models": (500, said), "POST /v1/chat/completions": (500, said)}
    for words in (("provider", "test", "home"), ("combo", "test", "c")):
        shown = ctl(*words, code=1).stdout
        assert "\x1b" not in shown
        assert "[red]gone[/red]" in shown


@pytest.mark.parametrize("words", ["provider list --all", "provider show openai", "doctor"])
def test_a_reader_that_leaves_early_sees_no_traceback(ctl: Ctl, words: str) -> None:
    ctl("provider", "add", "openai", "--api-key", SECRET)
    program = [sys.executable, "-c", "from omniroute.cli import main; main()", *words.split()]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.close()
        assert running.stderr.read() == b""


def test_a_translation_is_laid_out_and_cannot_steer_the_terminal(ctl: Ctl, tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    body = {"model": "m", "messages": [{"role": "user", "content": "a\x9b2Jb"}], "seed": 7}
    file.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    shown = at_terminal("translate", "--from", "openai", "--to", "claude", str(file))
    assert '\n  "model": "m",\n' in shown
    assert '"text": "a2Jb"' in shown
    assert shown.endswith("dropped: seed\n")
