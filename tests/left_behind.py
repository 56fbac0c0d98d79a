"""A test that never ends and has started processes: `test_process_guard.py` runs it and ends the run from outside."""

import os
import subprocess
import sys
import threading
from pathlib import Path

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if len(sys.argv) > 1:
    subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True)
print(flush=True)
time.sleep(600)
"""


def test_that_never_ends() -> None:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN, STUBBORN], stdout=subprocess.PIPE)
    assert process.stdout
    for _ in range(2):  # its own line and its child's, which share the pipe
        process.stdout.readline()
    ready = Path(os.environ["OMNIROUTE_TEST_READY"])
    ready.with_suffix(".tmp").write_text(f"{os.environ['OMNIROUTE_TEST_RUN']} {os.getpid()}", encoding="utf-8")
    ready.with_suffix(".tmp").replace(ready)
    threading.Event().wait()
