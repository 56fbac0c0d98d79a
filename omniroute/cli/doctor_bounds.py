"""The checks of `omniroute-ctl doctor` for the `server.*` limits: changed values, and ones too high for the machine."""

import resource
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from omniroute.cli.check_result import Check
from omniroute.config.server_limits import ServerLimits
from omniroute.mitm.client_connections import ClientConnections

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup/memory.max")
UNLIMITED = 1 << 20
"""Number of file descriptors from which on their limit counts as unlimited."""
SLOWEST = 120.0
"""Header timeout in seconds beyond which slow clients can hold all connections."""


def check_bounds(limits: ServerLimits, descriptors: int, memory: int | None) -> Iterator[Check]:
    """Report the limits that differ from their defaults, and warn of those that give no protection.

    `descriptors` is the number of file descriptors that the gateway may open; `memory` is the available memory in
    bytes, or None if unknown.
    """
    default = ServerLimits()
    changed = [
        f"server.{field.name} {getattr(limits, field.name):.10g} (default {getattr(default, field.name):.10g})"
        for field in fields(ServerLimits)
        if getattr(limits, field.name) != getattr(default, field.name)
    ]
    yield Check("ok", "bounds", f"changed: {', '.join(changed)}" if changed else "server.* as by default")
    fitting = ClientConnections(lambda: limits, descriptors).limit
    if limits.connections > fitting:
        yield Check(
            "warn", "bounds",
            f"server.connections is {limits.connections}, but {descriptors} descriptors (ulimit -Hn) are enough for "
            f"{fitting}",
            "raise the limit of open files, or lower server.connections",
        )  # fmt: skip
    if limits.connections_per_address >= limits.connections:
        yield Check(
            "warn", "bounds",
            f"one address may open all {limits.connections} connections (server.connections_per_address)",
            "set server.connections_per_address below server.connections",
        )  # fmt: skip
    if memory is not None and limits.body_total > memory:
        yield Check(
            "warn", "bounds",
            f"server.body_total is {_mb(limits.body_total)}, and {_mb(memory)} of memory are available",
            f"omniroute-ctl settings set server.body_total {memory // 4}",
        )  # fmt: skip
    heads = limits.header_bytes * min(limits.connections, fitting)
    if memory is not None and heads > memory:
        yield Check(
            "warn", "bounds",
            f"request heads may take {_mb(heads)} (server.header_bytes for each connection), and {_mb(memory)} of "
            "memory are available",
            "lower server.header_bytes or server.connections",
        )  # fmt: skip
    if not limits.body_min_rate or limits.header_timeout > SLOWEST:
        yield Check(
            "warn", "bounds",
            "clients that send slowly may hold connections without end (server.body_min_rate is "
            f"{limits.body_min_rate}, server.header_timeout {limits.header_timeout:g} s)",
            f"the defaults are {default.body_min_rate} and {default.header_timeout:g}",
        )  # fmt: skip


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def open_files() -> int:
    """Return the number of file descriptors that a gateway may open; it raises its soft limit to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return UNLIMITED if hard == resource.RLIM_INFINITY else min(hard, UNLIMITED)


def available_memory(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """Return the available memory in bytes, within the container's limit if there is one; None if unknown."""
    found = []
    try:
        for line in meminfo.read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError, LookupError):
        return None  # not Linux
    try:
        found.append(int(cgroup.read_text("ascii")))
    except (OSError, ValueError):
        return min(found, default=None)  # no cgroup limit, or cgroup v2 is not mounted
    return min(found)
