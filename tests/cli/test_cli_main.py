"""The program as a whole: help, version, the shared options, and how errors are told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cases import every
from click.testing import CliRunner
from stand_ins import Ctl

import omniroute
from omniroute.cli import COMMANDS, main


def walk(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            found += walk(inner, (*path, name))
    return found


EVERY = walk(main)


@every("path", EVERY, ids=" ".join)
@every("flag", ["--help", "-h"])
def test_every_command_has_help_that_makes_nothing(ctl: Ctl, data_dir: Path, path: tuple[str, ...], flag: str) -> None:
    shown = ctl(*path, flag).stdout
    assert shown.startswith(f"Usage: {' '.join(('omniroute-ctl', *path))}")
    assert "--json" in shown
    assert "--data-dir" in shown
    assert "\\b" not in shown, "examples keep their lines"
    assert not data_dir.exists()


@every("name", COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help is not None
    assert COMMANDS[name][1] == command.help.split("\n\n")[0].strip()


def test_the_version_is_the_packages(ctl: Ctl) -> None:
    assert ctl("--version").stdout.startswith(f"omniroute-ctl {omniroute.__version__} (Python ")


@every(
    ("words", "says"),
    [
        (("provder", "list"), "no command 'provder': did you mean provider?"),
        (("provider", "lst"), "No such command 'lst'"),
        (("--nonsense",), "No such option"),
        (("node", "add", "x"), "Missing option '--dialect'"),
        (("node", "add"), "Missing argument 'PREFIX'"),
        (("combo", "add", "x"), "Missing argument 'MODEL...'"),
        (("usage", "--by", "moon"), "'moon' is not one of"),
        (("status", "extra"), "unexpected extra argument"),
        (("--data-dir", "", "status"), "it is empty"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(refused, words, says) -> None:
    line = refused(*words, code=2)
    assert says in line
    assert "--help`)" in line


def test_with_json_an_error_is_json_on_stderr(ctl: Ctl) -> None:
    result = ctl("provider", "show", "nobody", "--json", code=1)
    assert result.stdout == ""
    assert "nobody" in json.loads(result.stderr)["error"]
    result = ctl("provider", "show", "--json", code=2)
    assert "REF" in json.loads(result.stderr)["error"]


def test_a_group_without_a_command_shows_its_help(ctl: Ctl) -> None:
    result = CliRunner().invoke(main, ["provider"])
    assert "Usage: omniroute-ctl provider" in result.output


def test_an_unexpected_error_is_one_line_with_the_way_to_its_traceback(refused, monkeypatch) -> None:
    def breaks(*args: object) -> None:
        raise KeyError("moon")

    monkeypatch.setattr("omniroute.store.config.snapshot.load", breaks)
    assert refused("combo", "list") == "Error: unexpected KeyError: 'moon' (`omniroute-ctl --debug …` shows where)\n"
    for words, variable in ((["--debug", "combo", "list"], ""), (["combo", "list"], "1")):
        monkeypatch.setenv("OMNIROUTE_DEBUG", variable)
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 1
        assert "Traceback (most recent call last)" in result.stderr
        assert result.stderr.endswith("KeyError: 'moon'\n")


def test_what_the_machine_refuses_is_said_in_its_words(refused, data_dir: Path) -> None:
    said = refused("--data-dir", "a" * 5000, "status")
    assert said.startswith("Error: File name too long: ")
    assert len(said) < 300


def test_an_output_that_is_closed_is_no_error(data_dir: Path) -> None:
    program = "import sys; sys.stdout = None; from omniroute.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "combo", "list"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_traceback_shows_no_secret(monkeypatch, data_dir: Path) -> None:
    def breaks(*args: object) -> None:
        raise KeyError("sk-proj-Quagga7f3Kd9Qw2Zx8Lm5Vb1")

    monkeypatch.setattr("omniroute.store.config.snapshot.load", breaks)
    result = CliRunner().invoke(main, ["--debug", "combo", "list"])
    assert "[hidden:5Vb1]" in result.stderr
    assert "Quagga" not in result.output


def test_ctrl_c_is_quiet(ctl: Ctl, monkeypatch) -> None:
    def leaves(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("omniroute.store.config.snapshot.load", leaves)
    result = ctl("combo", "list", code=130)
    assert result.output.strip() == ""


def test_the_data_directory_is_taken_from_wherever_it_is_said(ctl: Ctl, data_dir: Path, tmp_path: Path) -> None:
    ctl("key", "create", "from-the-environment")
    assert (data_dir / "storage.sqlite").exists()
    for at, words in enumerate(
        [
            ("--data-dir", "{}", "key", "create", "k"),
            ("key", "--data-dir", "{}", "create", "k"),
            ("key", "create", "k", "--data-dir", "{}"),
            ("--data-dir", "/nowhere", "key", "create", "k", "--data-dir", "{}"),
        ]
    ):
        path = tmp_path / str(at)
        ctl(*(word.format(path) for word in words))
        assert (path / "storage.sqlite").exists()


def test_json_may_be_asked_for_at_any_place(ctl: Ctl) -> None:
    for words in (("--json", "key", "list"), ("key", "--json", "list"), ("key", "list", "--json")):
        assert json.loads(ctl(*words).stdout) == []


@pytest.mark.parametrize("words", [("provider", "list"), ("status",), ("doctor",), ("route", "explain", "x")])
def test_a_data_directory_that_cannot_be_used_is_one_line(refused, data_dir: Path, words) -> None:
    data_dir.write_bytes(b"a file")
    line = refused(*words, "--data-dir", str(data_dir), code=2)
    assert "is a file" in line


def test_a_broken_database_is_one_line(refused, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "storage.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)
    assert "storage.sqlite" in refused("provider", "list")


def start(*words: str, **environ: str) -> str:
    """Run a command in a process of its own and give the list of its imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from omniroute.cli import main; main()", *words],
        capture_output=True, text=True, check=True, timeout=120, env=os.environ | environ,
    )  # fmt: skip
    return done.stderr


def test_help_loads_nothing_heavy() -> None:
    imported = start("--help")
    for heavy in ("peewee", "httpx", "mitmproxy", "rich", "genai_prices", "cryptography", "asyncio"):
        assert f" {heavy}\n" not in imported


@every("words", ["key list", "provider list", "node list", "combo list", "status", "usage"])
def test_looking_loads_no_network_and_no_proxy(data_dir: Path, words: str) -> None:
    imported = start(*words.split(), "--json")
    for heavy in ("httpx", "mitmproxy", "genai_prices"):
        assert f" {heavy}\n" not in imported
