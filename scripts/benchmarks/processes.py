"""The processes that the benchmark starts, ends and looks at."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from load import Job, Outcome

from omniroute.store.config import accounts, nodes
from omniroute.store.db.database import Store

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
BIN = Path(sys.executable).parent
START_LIMIT = 30.0


@dataclass
class Target:
    """Something that answers requests: the stub itself, or a proxy in front of it."""

    name: str
    port: int
    prefix: str
    """What stands before the model's name."""
    pid: int
    start: float = 0.0
    """Seconds from the command to the first answer."""
    idle: float = 0.0
    """Megabytes after the first answer."""
    streams: "Target | None" = None
    """What is asked for streams instead, where one process cannot do both well."""

    def cpu(self) -> float:
        """Seconds of processor time that its threads have used, to the nanosecond."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text(encoding="utf-8").split()[0]) for thread in threads) / 1e9

    def memory(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def load(job: Job) -> Outcome:
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py")],
        input=json.dumps(job.__dict__),
        capture_output=True,
        text=True,
        check=True,
        timeout=job.seconds + 60,
    )
    return Outcome(**json.loads(done.stdout))


@contextmanager
def started(command: Sequence[str], folder: Path, data_dir: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in its own folder; it and nothing else is ended here."""
    folder.mkdir(exist_ok=True)
    environ = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    if data_dir:
        environ["DATA_DIR"] = str(data_dir)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def stub(folder: Path) -> Iterator[Target]:
    with started([sys.executable, str(HERE / "stub.py")], folder) as process:
        log = folder / "log"
        _until(process, log, lambda: log.read_text(encoding="utf-8").endswith("\n"))
        yield Target("direct", int(log.read_text(encoding="utf-8")), "", process.pid)


@contextmanager
def plain(folder: Path, upstream: int) -> Iterator[Target]:
    """Run mitmdump as it comes, and once more for streams, which it holds back unless it is told not to."""
    ports = free_port(), free_port()
    commands = [
        [str(BIN / "mitmdump"), "--mode", f"reverse:http://127.0.0.1:{upstream}@127.0.0.1:{port}"] for port in ports
    ]
    commands[0] += ["--set", f"confdir={folder}"]
    commands[1] += ["--set", f"confdir={folder}-streams", "--set", "stream_large_bodies=1"]
    with (
        _proxy("mitmdump", commands[0], folder, ports[0], "") as target,
        _proxy("mitmdump, streaming", commands[1], folder.with_name("streams"), ports[1], "") as target.streams,
    ):
        yield target


@contextmanager
def gateway(folder: Path, upstream: int, *, headless: bool) -> Iterator[Target]:
    """Run the gateway as an addon of mitmdump, or by itself; with one node and an account that has a key."""
    data_dir, port = folder / "data", free_port()
    folder.mkdir(exist_ok=True)
    with contextlib.closing(Store(data_dir)) as store:
        nodes.add(store, "up", "openai", f"http://127.0.0.1:{upstream}/v1")
        accounts.add(store, "up", api_key="sk-of-the-benchmark")
    if headless:
        name = "gateway, headless"
        command = [str(BIN / "omniroute-ctl"), "serve", "--headless", "--port", str(port)]
    else:
        name = "gateway"
        command = [str(BIN / "mitmdump"), "-s", str(REPO / "addons/omniroute.py")]
        command += ["--mode", f"reverse:http://127.0.0.1:9@127.0.0.1:{port}", "--set", f"confdir={folder}"]
    with _proxy(name, command, folder, port, "up/", data_dir) as target:
        with contextlib.suppress(FileNotFoundError):
            # The command may have left the work to a process of its own.
            target.pid = json.loads((data_dir / "runtime.json").read_text(encoding="utf-8"))["pid"]
        yield target


def serves_headless() -> bool:
    asked = subprocess.run([BIN / "omniroute-ctl", "serve", "--help"], capture_output=True, text=True, check=False)
    return "--headless" in asked.stdout


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def _proxy(
    name: str, command: Sequence[str], folder: Path, port: int, prefix: str, data_dir: Path | None = None
) -> Iterator[Target]:
    begin = time.perf_counter()
    with started(command, folder, data_dir) as process:
        target = Target(name, port, prefix, process.pid)
        _until(process, folder / "log", lambda: _answers(target))
        target.start = time.perf_counter() - begin
        target.idle = target.memory()
        yield target


def _answers(target: Target) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=5)
    body = json.dumps({"model": f"{target.prefix}m", "messages": [{"role": "user", "content": "hi"}]})
    try:
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _until(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + START_LIMIT
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"{process.args!r} did not start:\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.005)
