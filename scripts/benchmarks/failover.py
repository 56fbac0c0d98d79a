"""What it costs to fail over from a target that refuses connections.

One client asks a running gateway in turn for a model that answers and for a combo in which another comes first
that refuses: the difference is what failing over takes. Cool-downs are off, or the refused one would be asked
only once. The goal is 5 ms; medians and the 99th of a hundred, in milliseconds.
"""

import http.client
import json
import socket
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

from processes import BIN, REPO, free_port, started, stub
from rich.console import Console

from omniroute.store.config import combos, nodes, settings
from omniroute.store.db.database import Store

QUESTION = [{"role": "user", "content": "What does the clock say?"}]

type Found = dict[str, dict[str, float]]


def measure(*, quick: bool) -> Found:
    """Ask for both in turn, so that a machine that slows down slows both."""
    times: dict[str, list[float]] = {"good": [], "refused first": []}
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(stub(folder / "stub"))
        bound = stack.enter_context(closing(socket.socket()))
        bound.bind(("127.0.0.1", 0))  # nobody listens, and nobody else can
        port, data_dir = free_port(), folder / "data"
        with closing(Store(data_dir)) as store:
            nodes.add(store, "up", "openai", f"http://127.0.0.1:{upstream.port}/v1")
            nodes.add(store, "gone", "openai", f"http://127.0.0.1:{bound.getsockname()[1]}/v1")
            combos.add(store, "good", ["up/m"])
            combos.add(store, "refused", ["gone/m", "up/m"])
            settings.put(store, "cooldowns", "off")
        command = [str(BIN / "mitmdump"), "-s", str(REPO / "addons/omniroute.py"), "--set", f"confdir={folder}"]
        command += ["--mode", f"reverse:http://127.0.0.1:9@127.0.0.1:{port}"]
        stack.enter_context(started(command, folder / "run", data_dir))
        _until_ready(port)
        client = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)))
        for turn in range(60 if quick else 500):
            for model, name in (("good", "good"), ("refused", "refused first")):
                began = time.perf_counter()
                attempts = _ask(client, model)
                assert attempts == (1 if model == "good" else 2), attempts
                if turn >= 10:
                    times[name].append((time.perf_counter() - began) * 1000)
    found = {
        name: {"p50": median(taken), "p99": sorted(taken)[len(taken) * 99 // 100]} for name, taken in times.items()
    }
    found["added"] = {share: found["refused first"][share] - found["good"][share] for share in ("p50", "p99")}
    return found


def _ask(client: http.client.HTTPConnection, model: str) -> int:
    body = json.dumps({"model": model, "messages": QUESTION})
    client.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    reply = client.getresponse()
    reply.read()
    assert reply.status == 200, reply.status
    return int(reply.headers["x-omniroute-attempts"])


def _until_ready(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as client:
                _ask(client, "good")
                return
        except (OSError, AssertionError, http.client.HTTPException):
            time.sleep(0.02)
    raise SystemExit("the gateway did not start within half a minute")


def show(found: Found) -> None:
    said = ", ".join(f"{share} {taken:.2f} ms" for share, taken in found["added"].items())
    Console().print(f"Failing over from a refused target adds {said} (the goal is 5 ms)")
