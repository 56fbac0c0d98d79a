"""What limits cost: letting a request in, and a thousand that wait, in some ten seconds.

let in           admission and the end of an exchange, in milliseconds: without limits, with all three, and at
                 an account that a thousand wait for; the goal is 0.1 ms
1,000 waiting    resident memory that they add to a running gateway, in megabytes; the goal is 30. What their
                 connections take before anything is asked is mitmproxy's own, and shown apart.
"""

import json
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from processes import BIN, REPO, Target, free_port, started

from omniroute.catalog.providers import node
from omniroute.config.model import Account, Limit
from omniroute.routing.admission_queue import Admission
from omniroute.routing.rate_limits import InFlight
from omniroute.routing.target import RoutePath
from omniroute.routing.target import Target as Aim
from omniroute.store.config import limits, nodes
from omniroute.store.db.database import Store

WAITING = 1000
BUSY = Account("busy", "box", "busy")
AIM = Aim(BUSY, node("box", "openai", "http://127.0.0.1:1"), "m", "openai", RoutePath("asked for by name"), "")


def admitting() -> dict[str, float]:
    """Give the milliseconds that one request takes to be let in and to end."""
    return {
        "no limit": _each(_admission({}), 20_000),
        "all limits": _each(_admission({"busy": Limit(rpm=1_000_000, gap=1e-9, concurrency=9)}), 20_000),
        "a thousand wait": _queued(),
    }


def _admission(limited: dict[str, Limit]) -> Admission:
    made = Admission(InFlight(), time.monotonic)
    made.set(limited)
    return made


def _each(admission: Admission, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        if admission.admit([AIM]):
            admission.limits.end("busy")
            admission.ended("busy")
    return (time.process_time() - began) * 1000 / times


def _queued() -> float:
    """Join behind a thousand others, and let the first of them in."""
    admission, times = _admission({"busy": Limit(concurrency=1)}), 2000
    for _ in range(WAITING + 1):
        admission.admit([AIM]) or admission.join([AIM], _nothing, WAITING + times)
    began = time.process_time()
    for _ in range(times):
        admission.admit([AIM]) or admission.join([AIM], _nothing, WAITING + times)
        admission.limits.end("busy")
        admission.ended("busy")
    return (time.process_time() - began) * 1000 / times


def _nothing() -> None:
    pass


def memory(folder: Path) -> tuple[float, float]:
    """Give the megabytes that so many connections take in a gateway, and what requests that wait there add."""
    with ExitStack() as stack:
        silent = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=16)))
        port, data_dir = free_port(), folder / "data"
        with closing(Store(data_dir)) as store:
            nodes.add(store, "box", "openai", f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
            limits.put(store, "node:box", Limit(concurrency=1))
        command = [str(BIN / "mitmdump"), "-s", str(REPO / "addons/omniroute.py"), "--set", f"confdir={folder}"]
        command += ["--mode", f"reverse:http://127.0.0.1:9@127.0.0.1:{port}"]
        process = stack.enter_context(started(command, folder / "run", data_dir))
        gateway = Target("gateway", port, "box/", process.pid)
        _until(lambda: (data_dir / "runtime.json").exists())
        _ask(_connect(stack, port))
        _until(lambda: _in_use(data_dir) == (1, 0))
        begun = gateway.memory()
        clients = [_connect(stack, port) for _ in range(WAITING)]
        time.sleep(1)  # for the last of them to be accepted
        connected = gateway.memory()
        for client in clients:
            _ask(client)
        _until(lambda: _in_use(data_dir) == (1, WAITING))
        return connected - begun, gateway.memory() - connected


def _connect(stack: ExitStack, port: int) -> socket.socket:
    return stack.enter_context(closing(socket.create_connection(("127.0.0.1", port))))


def _ask(client: socket.socket) -> None:
    body = json.dumps({"model": "box/m", "stream": True, "messages": [{"role": "user", "content": "hello " * 100}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    client.sendall(f"{head}content-type: application/json\r\n\r\n{body}".encode())


def _in_use(data_dir: Path) -> tuple[int, int]:
    with closing(Store(data_dir)) as store:
        found = limits.seen(store).in_use.get("node:box")
    return (found[0].in_flight, found[0].waiting) if found else (0, 0)


def _until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not look():
        if time.monotonic() > end:
            raise SystemExit("the gateway did not come so far within a minute")
        time.sleep(0.05)


def measure(*, quick: bool) -> dict[str, float]:
    """Give milliseconds and megabytes by what takes them; it takes as long as it takes."""
    found = {f"let in, {name}": each for name, each in admitting().items()}
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as folder:
        connections, requests = memory(Path(folder))
    return {**found, "waiting": requests, "their connections": connections}


def show(found: dict[str, float]) -> None:
    for name, each in found.items():
        if name.startswith("let in"):
            print(f"{name}: {each:.4f} ms")
    mb, connections = found["waiting"], found["their connections"]
    print(f"{WAITING:,} waiting: {mb:.1f} MB (the goal is 30), on connections that take {connections:.1f} MB")
