"""A script for mitmproxy beside ours: at SIGUSR1 it writes down what the process still holds."""

import asyncio
import contextlib
import gc
import json
import os
import signal
from collections import Counter
from pathlib import Path

from mitmproxy import ctx

KEPT = ("Exchange", "HTTPFlow", "RoutedLayer", "RoutedStream", "Runner", "Attempt", "Ticket", "Stream", "Through")
"""What comes and goes with exchanges and their connections."""
STATES = {"01": "established", "08": "close-wait", "0A": "listen"}


class Spy:
    def running(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.write)

    def write(self) -> None:
        # Before the collection, which would close what was forgotten.
        transports = [
            repr(each)
            for each in gc.get_objects()
            if type(each).__name__ == "_SelectorSocketTransport" and not each.is_closing()
        ]
        gc.collect()
        runtime = ctx.master.addons.get("omniroute.dispatch").runtime
        choosing = runtime.choosing
        kinds = Counter(type(each).__name__ for each in gc.get_objects())
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        found = {
            "busy": dict(choosing._loads._in_flight),
            "queue": len(choosing.admission.queue),
            "probes": len(choosing.health._probes),
            "exchanges": len(runtime.exchanges),
            "rows": len(runtime.pending.rows),
            "connections": len(ctx.master.addons.get("proxyserver").connections),
            "objects": {name: kinds[name] for name in KEPT if kinds[name]},
            "tasks": sorted(task.get_name() for task in asyncio.all_tasks()),
            "sockets": _sockets(),
            "transports": transports,
            "fds": len(_open()),
            "megabytes": int(status.partition("VmRSS:")[2].split()[0]) / 1024,
        }
        path = Path(os.environ["SPY"])
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(found), encoding="utf-8")
        draft.replace(path)


def _sockets() -> list[str]:
    """Describe the open sockets: their addresses and state, or `local` for those that are not TCP."""
    known = {}
    for family in ("tcp", "tcp6"):
        table = Path(f"/proc/self/net/{family}")
        for line in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else ():
            _, local, remote, state, *_ = line.split()
            ports = [str(int(address.rpartition(":")[2], 16)) for address in (local, remote)]
            known[f"socket:[{line.split()[9]}]"] = f"{family} {' > '.join(ports)} {STATES.get(state, state)}"
    return sorted(known.get(name, "local") for name in _open() if name.startswith("socket:"))


def _open() -> list[str]:
    """List what is open, as what it is."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return found


addons = [Spy()]
