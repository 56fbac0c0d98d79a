"""The shell scripts, run against interpreters that only pretend: no network, and this checkout is left alone."""

import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from cases import every
from harness import PATIENCE, REPO

SCRIPTS = sorted(p for p in [*(REPO / "scripts").iterdir(), REPO / ".ci/run"] if p.is_file() and not p.suffix)

GOOD = """#!/bin/sh
# A Python that is new enough, and an installer that only takes notes.
log={log}
case "$*" in
    "-c import sys"*_base_executable*) echo "$0" ;;
    "-c "*) exit 0 ;;
    *installer.py*)
        venv=$3
        [ -d "$venv" ] || echo "venv ${{venv##*/}}" >>"$log"
        mkdir -p "$venv/bin"
        echo "VIRTUAL_ENV=$venv" >"$venv/bin/activate"
        [ "$0" = "$venv/bin/python" ] || cp "$0" "$venv/bin/python"
        sleep "${{INSTALL_TAKES:-0}}"
        echo "install $4 ${{5:-base}}" >>"$log"
        printf '#!/bin/sh\\necho "started with $*"\\n' >"$venv/bin/omniroute-ctl"
        chmod +x "$venv/bin/omniroute-ctl"
        exit "${{INSTALL_EXIT:-0}}" ;;
esac
"""
OLD = """#!/bin/sh
case "$*" in *version_info\\[:3\\]*) echo 3.9.1 ;; *) exit 1 ;; esac
"""
BROKEN = "#!/bin/sh\necho 'no such command' >&2\nexit 127\n"


def stub(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH of its own, with what the scripts may count on and without any Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    names = (
        "sh",
        "cat",
        "cksum",
        "cp",
        "dirname",
        "grep",
        "ls",
        "mkdir",
        "mv",
        "readlink",
        "rm",
        "sed",
        "sleep",
        "sort",
    )
    for name in (*names, "chmod", "touch"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return folder


@pytest.fixture
def good(tmp_path: Path) -> str:
    return GOOD.format(log=tmp_path / "log")


def run(script: Path, *arguments: str, path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    # Nothing of the real environment comes along, so a machine with or without pyenv gives the same answer.
    env = {"PATH": str(path), "HOME": str(path.parent / "home")} | environ
    return subprocess.run(
        [script, *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        stdin=subprocess.DEVNULL,
    )


# ---- what holds for each of them


@every("script", SCRIPTS, ids=lambda p: p.name)
def test_it_is_plain_shell_and_may_be_run(script: Path) -> None:
    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ci_runs_the_tests_and_nothing_else(tmp_path: Path, tools: Path) -> None:
    shutil.copytree(REPO / ".ci", tmp_path / "repo/.ci")
    stub(tmp_path / "repo/scripts/test", '#!/bin/sh\necho "tested $*"\nexit 7\n')
    done = run(tmp_path / "repo/.ci/run", "-x", path=tools)
    assert (done.returncode, done.stdout) == (7, "tested -x\n")


# ---- find-python


def find(tools: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return run(REPO / "scripts/find-python", path=tools, **environ)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["python3", "python3.12"], "python3.12"),
        (["python3.12", "python3.13", "python3.14"], "python3.14"),
        (["python3"], "python3"),
    ],
)
def test_the_newest_on_the_path_is_taken(tools: Path, good: str, there: list[str], chosen: str) -> None:
    for name in there:
        stub(tools / name, good)
    assert find(tools).stdout == f"{tools / chosen}\n"


@pytest.mark.parametrize("bad", [OLD, BROKEN], ids=["old", "broken"])
def test_names_that_do_not_work_are_passed_over(tools: Path, good: str, bad: str) -> None:
    for name in ("python3.14", "python3.13"):
        stub(tools / name, bad)
    stub(tools / "python3.12", good)
    assert find(tools).stdout == f"{tools / 'python3.12'}\n"


def test_a_python_with_tested_versions_goes_before_a_newer_one(repo: Path, tools: Path, good: str) -> None:
    (repo / "constraints.txt").write_text("# Python: 3.12 3.13\n", encoding="utf-8")
    untested = good.replace('echo "$0" ;;', '[ -z "${3:-}" ] && echo "$0" ;;')
    stub(tools / "python3.14", untested)
    assert run(repo / "scripts/find-python", path=tools).stdout == f"{tools / 'python3.13'}\n"
    (tools / "python3.13").unlink()
    assert run(repo / "scripts/find-python", path=tools).stdout == f"{tools / 'python3.14'}\n"


def test_then_pyenv_newest_first(tmp_path: Path, tools: Path, good: str) -> None:
    stub(tools / "python3", OLD)
    versions = tmp_path / "home/.pyenv/versions"
    for version, text in {"3.9.1": OLD, "3.12.10": good, "3.12.9": good, "3.14.0": BROKEN, "mine": good}.items():
        stub(versions / version / "bin/python", text)
    assert find(tools).stdout == f"{versions / '3.12.10/bin/python'}\n"


def test_then_uv(tmp_path: Path, tools: Path, good: str) -> None:
    python = stub(tmp_path / "of uv/python", good)
    stub(tools / "uv", f"#!/bin/sh\necho '{python}'\n")
    assert find(tools).stdout == f"{python}\n"


@pytest.mark.parametrize("uv", [None, BROKEN, "#!/bin/sh\necho /nowhere/python\n", "#!/bin/sh\n"])
def test_none_at_all_is_one_clear_sentence(tools: Path, uv: str | None) -> None:
    if uv:
        stub(tools / "uv", uv)
    stub(tools / "python3", BROKEN)
    done = find(tools)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.12 or newer" in done.stderr


@pytest.mark.parametrize(("text", "says"), [(OLD, "which is Python 3.9.1"), (BROKEN, "which does not run")])
def test_a_named_python_is_taken_or_refused_but_never_passed_over(
    tmp_path: Path, tools: Path, good: str, text: str, says: str
) -> None:
    stub(tools / "python3.14", good)
    named = stub(tmp_path / "my own/python", good)
    assert find(tools, PYTHON=str(named)).stdout == f"{named}\n"
    stub(named, text)
    done = find(tools, PYTHON=str(named))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


# ---- install and serve


@pytest.fixture
def repo(tmp_path: Path, tools: Path, good: str) -> Path:
    """A checkout in a folder with a blank in its name, on a machine with one good Python."""
    folder = tmp_path / "a check out"
    shutil.copytree(REPO / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    stub(tools / "python3.13", good)
    return folder


def log(repo: Path) -> list[str]:
    file = repo.parent / "log"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def test_serve_installs_once_and_starts(repo: Path, tools: Path) -> None:
    done = run(repo / "scripts/serve", "--port", "1 2", path=tools)
    assert (done.returncode, done.stdout) == (0, "started with serve --port 1 2\n")
    assert "Installing OmniRoute into .venv" in done.stderr
    again = run(repo / "scripts/serve", path=tools)
    assert (again.stdout, again.stderr) == ("started with serve\n", "")
    assert log(repo) == ["venv .venv", "install tested base"]


def test_serve_works_through_a_link(repo: Path, tools: Path) -> None:
    (tools / "omniroute").symlink_to(repo / "scripts/serve")
    assert run(tools / "omniroute", "--demo", path=tools).stdout == "started with serve --demo\n"


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_anew(repo: Path, tools: Path, file: str) -> None:
    run(repo / "scripts/install", "test", path=tools)
    (repo / file).write_text("# more\n", encoding="utf-8")
    run(repo / "scripts/install", path=tools)
    run(repo / "scripts/install", path=tools)
    assert log(repo) == ["venv .venv", *["install tested test"] * 2], "what tests need stays installed"


def test_the_test_extra_is_installed_on_top(repo: Path, tools: Path) -> None:
    for extra in ([], ["test"], [], ["test"]):
        run(repo / "scripts/install", *extra, path=tools)
    assert log(repo) == ["venv .venv", "install tested base", "install tested test"]


def test_newest_and_oldest_have_environments_of_their_own(repo: Path, tools: Path) -> None:
    for arguments in ([], ["--newest"], ["--oldest", "test"], ["--newest"]):
        run(repo / "scripts/install", *arguments, path=tools)
    assert log(repo) == [
        *("venv .venv", "install tested base"),
        *("venv .venv-newest", "install newest base"),
        *("venv .venv-oldest", "install oldest test"),
    ]


def test_repair_makes_the_environment_anew_with_what_it_had(repo: Path, tools: Path) -> None:
    run(repo / "scripts/install", "test", path=tools)
    run(repo / "scripts/install", "--repair", path=tools)
    assert log(repo) == ["venv .venv", "install tested test"] * 2


def test_an_unknown_word_is_refused(repo: Path, tools: Path) -> None:
    done = run(repo / "scripts/install", "tests", path=tools)
    assert (done.returncode, done.stdout, log(repo)) == (2, "", [])
    assert "not tests" in done.stderr


def test_an_environment_that_is_broken_or_moved_is_made_anew(repo: Path, tools: Path) -> None:
    run(repo / "scripts/install", path=tools)
    stub(repo / ".venv/bin/python", BROKEN)
    run(repo / "scripts/install", path=tools)
    moved = repo.rename(repo.with_name("moved"))
    run(moved / "scripts/install", path=tools)
    assert [line for line in log(repo) if line == "venv .venv"] == ["venv .venv"] * 3


def test_what_a_link_leads_to_is_used_and_left_alone(repo: Path, tools: Path) -> None:
    run(repo / "scripts/install", "test", path=tools)
    shared = (repo / ".venv").rename(repo.parent / "shared")
    (shared / "bin/activate").write_text(f"VIRTUAL_ENV={shared}", encoding="utf-8")
    (repo / ".venv").symlink_to(shared)
    before = log(repo)
    assert run(repo / "scripts/serve", path=tools).stdout == "started with serve\n"
    (repo / "pyproject.toml").write_text("[project]\n# more\n", encoding="utf-8")
    done = run(repo / "scripts/install", "test", path=tools)
    assert done.returncode == 1
    assert "is a link" in done.stderr
    stub(shared / "bin/python", BROKEN)
    assert run(repo / "scripts/install", "test", path=tools).returncode == 1
    assert (shared / "bin/omniroute-ctl").exists()
    assert log(repo) == before


def test_a_failed_install_says_so_and_is_tried_again(repo: Path, tools: Path) -> None:
    done = run(repo / "scripts/serve", path=tools, INSTALL_EXIT="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert run(repo / "scripts/serve", path=tools).stdout == "started with serve\n"


def test_without_a_python_nothing_is_left_behind(repo: Path, tools: Path) -> None:
    (tools / "python3.13").unlink()
    done = run(repo / "scripts/serve", path=tools)
    assert done.returncode == 1
    assert "needs Python 3.12 or newer" in done.stderr
    assert not list(repo.glob(".venv*"))


def test_two_at_once_install_once(repo: Path, tools: Path) -> None:
    env = {"PATH": str(tools), "HOME": "/nowhere", "INSTALL_TAKES": "0.5"}
    both = [
        subprocess.Popen(
            [repo / "scripts/serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=PATIENCE)[0] for process in both] == ["started with serve\n"] * 2
    assert log(repo) == ["venv .venv", "install tested base"]
    assert not (repo / ".venv.lock").exists()


def test_the_lock_of_a_dead_install_is_no_obstacle(repo: Path, tools: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (repo / ".venv.lock").mkdir()
    (repo / ".venv.lock/pid").write_text(f"{dead.pid}\n", encoding="utf-8")
    assert run(repo / "scripts/serve", path=tools).returncode == 0


def test_an_interrupted_install_gives_the_lock_back(repo: Path, tools: Path) -> None:
    env = {"PATH": str(tools), "HOME": "/nowhere", "INSTALL_TAKES": "5"}
    process = subprocess.Popen(
        [repo / "scripts/install"], env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr
    with process.stderr as said:
        while "Installing" not in said.readline():
            pass
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=PATIENCE) != 0  # a shell hears of it between two commands
    assert not (repo / ".venv.lock").exists()
    assert run(repo / "scripts/serve", path=tools).returncode == 0
