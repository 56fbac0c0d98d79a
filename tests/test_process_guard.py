"""A test run that is ended in any way leaves no process behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from harness import REPO, until
from process_guard import marked

RUN = "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(pytest.main())"
"""Runs pytest as a terminal does: a background job of a shell ignores SIGINT."""


def test_an_interrupted_run_leaves_no_process_behind(tmp_path: Path) -> None:
    """Whether pytest itself or an xdist worker is ended; two of the processes ignore every signal but SIGKILL."""
    ways = {
        "killed": ("0", signal.SIGKILL),
        "terminated": ("0", signal.SIGTERM),
        "interrupted": ("0", signal.SIGINT),
        "worker-killed": ("1", signal.SIGKILL),
    }
    runs: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for way, (workers, _) in ways.items():
            command = [sys.executable, "-c", RUN, "-n", workers, "-p", "no:cacheprovider", "tests/left_behind.py"]
            environ = os.environ | {"OMNIROUTE_TEST_READY": str(tmp_path / way)}
            environ = {name: value for name, value in environ.items() if not name.startswith("PYTEST_")}
            with (tmp_path / f"{way}.log").open("wb") as log:
                runs[way] = subprocess.Popen(command, cwd=REPO, env=environ, stdout=log, stderr=log)
        marks = {}
        for way, (_, sign) in ways.items():
            ready = tmp_path / way
            until(f"{way}: the processes have started", ready.exists)
            marks[way], pid = ready.read_text(encoding="utf-8").split()
            assert len(marked(marks[way])) == 2, way
            os.kill(int(pid), sign)
        until("all their processes have ended", lambda: not any(map(marked, marks.values())))
    finally:
        for run in runs.values():
            run.kill()
            run.wait()
