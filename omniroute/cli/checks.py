"""What `doctor` looks at: each check gives what it found and, where that is not well, what to do."""

import errno
import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from omniroute import __version__, settings
from omniroute.cli.base import State
from omniroute.cli.checks_setup import check_setup
from omniroute.cli.finding import Check
from omniroute.cli.running import Running, answers, read_runtime
from omniroute.distribution.requirements import DependencyError, explain, installed, mend
from omniroute.netproxy.environment import read_environment
from omniroute.proxy import seam
from omniroute.settings import SettingsError
from omniroute.store import password, snapshot
from omniroute.store.files import StoreError
from omniroute.store.migrations import MIGRATIONS
from omniroute.store.recovery import recover
from omniroute.store.secrets import PASSWORD_VARIABLE, VARIABLES, is_known_to_all
from omniroute.store.upgrade import inspect, needs_migration


def check_all(state: State) -> Iterator[Check]:
    """Run every check; the modes before the store is opened, since opening it mends some."""
    yield check_python(sys.version_info[:3])
    yield check_mitmproxy()
    yield from check_requirements()
    yield from check_environment(os.environ)
    yield check_port(state, os.environ)
    running = read_runtime(state.data_dir)
    if running:
        yield check_version(running)
    if not state.data_dir.exists():
        yield Check("ok", "data directory", f"{state.data_dir} is not there yet: it is made at the first start")
        return
    yield check_directory(state.data_dir)
    yield check_files(state.data_dir)
    yield check_space(shutil.disk_usage(state.data_dir).free)
    yield from check_store(state, running)


def check_store(state: State, running: Running | None) -> Iterator[Check]:
    """Look at the database without bringing it up to date: a gateway that runs may need it as it is."""
    path = state.data_dir / "storage.sqlite"
    try:
        found = inspect(path) if path.exists() else 0
        if 0 < found < len(MIGRATIONS):
            yield Check("warn", "database", needs_migration(state.data_dir, found), "omniroute-ctl db migrate")
            return
        with state.store() as store:
            store.verify()
            config = snapshot.load(store)
            snapshot.credentials(store)
            yield Check("ok", "database", "opens and is whole, and so are the secrets in it")
            yield Check("ok", "leftovers", str(recover(store)) or "killed processes have left nothing behind")
            with suppress(SettingsError):  # `check_port` tells it
                yield from check_setup(store, config, os.environ, running)
    except StoreError as error:
        yield Check("fail", "database", str(error), "put it back from a copy, or begin with another --data-dir")


def check_version(running: Running) -> Check:
    if running.version == __version__:
        return Check("ok", "gateway", f"process {running.pid} runs this version, {__version__}")
    return Check(
        "warn", "gateway", f"process {running.pid} runs version {running.version}, this is {__version__}", "restart it"
    )


def check_space(free: int) -> Check:
    """Look for room for the database, its copies and its log."""
    shown = f"{free / 1e9:,.1f} GB are free"
    if free < LEAST_SPACE:
        return Check("fail", "disk", shown, "make room: nothing can be written down when it is full")
    return Check("warn", "disk", shown, "make room soon") if free < LITTLE_SPACE else Check("ok", "disk", shown)


LEAST_SPACE, LITTLE_SPACE = 100_000_000, 1_000_000_000
SHORTEST = {name: 16 for name in VARIABLES} | {PASSWORD_VARIABLE: password.SHORTEST}
"""Characters of a secret below which it can be guessed; a password is tried only a few times an hour."""


def check_python(found: tuple[int, ...]) -> Check:
    shown = platform.python_version()
    if found >= (3, 12):
        return Check("ok", "Python", shown)
    return Check("fail", "Python", shown, "install Python 3.12 or newer")


def check_mitmproxy() -> Check:
    try:
        seam.verify()
    except (DependencyError, ImportError) as error:
        return Check("fail", "mitmproxy", explain(error) or str(error))
    return Check("ok", "mitmproxy", installed("mitmproxy") or "")


def check_requirements() -> Iterator[Check]:
    """Compare the installed distributions with what the package declares."""
    try:
        declared = [Requirement(text) for text in requires("omniroute") or ()]
    except PackageNotFoundError:
        yield Check("warn", "packages", "omniroute itself is not installed here, so its requirements are unknown",
                    mend("omniroute"))  # fmt: skip
        return
    wanted = [each for each in declared if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [
        f"{each.name} {found or 'is missing'}, needed {each.specifier}"
        for each in wanted
        if not (found := installed(each.name)) or not each.specifier.contains(found, prereleases=True)
    ]
    if wrong:
        yield Check("fail", "packages", "; ".join(wrong), mend("omniroute"))
    else:
        yield Check("ok", "packages", f"as declared: {len(wanted)}")


def check_environment(environ: Mapping[str, str]) -> Iterator[Check]:
    known = [name for name in VARIABLES if is_known_to_all(environ.get(name, ""))]
    for name in known:
        yield Check(
            "fail", name, "has a value that stands in public guides", f"choose one of your own, or unset {name}"
        )
    short = [name for name in VARIABLES if 0 < len(environ.get(name, "")) < SHORTEST[name] and name not in known]
    for name in short:
        verdict: Literal["warn", "fail"] = "fail" if name == PASSWORD_VARIABLE else "warn"
        said = f"has {len(environ[name])} characters, where {SHORTEST[name]} are the least that is safe"
        yield Check(verdict, name, said, "openssl rand -hex 32 makes a good one")
    if not known and not short:
        yield Check("ok", "environment", "no secret that is short, or that everybody knows")
    try:
        read_environment(environ)
    except SettingsError as error:
        yield Check("fail", "network proxy", str(error), "mend the variable or unset it")
    with suppress(SettingsError):  # `check_port` tells it
        if not settings.is_loopback(settings.read(environ).host):
            yield Check("warn", "environment", "HOSTNAME lets other machines in, so each client needs a key")


def check_port(state: State, environ: Mapping[str, str]) -> Check:
    running = read_runtime(state.data_dir)
    if running is not None:
        if answers(running):
            return Check("ok", "port", f"the gateway answers at {running.url}")
        return Check("fail", "port", f"process {running.pid} runs but does not answer at {running.url}", "restart it")
    try:
        said = settings.read(environ)
    except SettingsError as error:
        return Check("fail", "port", str(error), "mend the variable or unset it")
    family = socket.AF_INET6 if ":" in said.host else socket.AF_INET
    try:
        with closing(socket.socket(family, socket.SOCK_STREAM)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((said.host, said.port))
    except OSError as error:
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        return Check("fail", "port", f"{said.host}:{said.port} {why}", "choose another one with PORT or `serve --port`")
    return Check("ok", "port", f"{said.host}:{said.port} is free")


def check_directory(path: Path) -> Check:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check("warn", "data directory", f"{path} has mode {mode:04o}", f"chmod 700 {path}")
    return Check("ok", "data directory", f"{path} is private")


PUBLIC = ("mitmproxy-ca-cert.", "mitmproxy-dhparam.")
"""Files of mitmproxy's that are made to be given away: its certificate without the key."""


def check_files(path: Path) -> Check:
    """Secrets, database, its copies and what SQLite keeps beside it: all are for the owner alone."""
    open_to_others = [
        str(file.relative_to(path))
        for file in sorted(path.rglob("*"))
        if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077 and not file.name.startswith(PUBLIC)
    ]
    if open_to_others:
        return Check("fail", "files", f"others may read {', '.join(open_to_others)}", f"chmod -R go= {path}")
    return Check("ok", "files", "private")
