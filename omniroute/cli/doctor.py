"""The checks of `omniroute-ctl doctor`: each yields its finding and, for a problem, the advice."""

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
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from omniroute import __version__, env
from omniroute.catalog.endpoints import check_base_url, embedding_url
from omniroute.cli.base import State
from omniroute.cli.check_result import Check
from omniroute.cli.doctor_bounds import available_memory, check_bounds, open_files
from omniroute.cli.gateway_process import Running, answers, read_runtime
from omniroute.config.model import Account, Config
from omniroute.config.resilience_profiles import is_local
from omniroute.distribution.requirements import DependencyError, explain, installed, mend
from omniroute.env import InvalidEnvironment, is_loopback
from omniroute.mitm import seam
from omniroute.netproxy.env_proxies import read_environment
from omniroute.routing.combo_impact import targets_of
from omniroute.routing.target import Target
from omniroute.store.config import snapshot
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.recovery import recover
from omniroute.store.db.secrets import PASSWORD_VARIABLE, VARIABLES, is_known_to_all
from omniroute.store.db.upgrade import inspect, needs_migration
from omniroute.store.history import usage
from omniroute.store.state import health, password

KNOCK = 1.0
"""Timeout of a connection to a server on this machine, in seconds."""
SKEW = 60.0
"""Tolerance in seconds when comparing the clock with recorded times."""


def check_setup(store: Store, config: Config, environ: Mapping[str, str], running: Running | None) -> Iterator[Check]:
    """Run all checks that need an open store."""
    said = env.read(environ)
    yield from check_ways_in(config, said, running)
    yield from check_bounds(config.rules.server, open_files(), available_memory())
    yield check_password(store, said)
    yield check_accounts(config)
    yield from check_combos(config)
    yield from check_similar(config)
    yield from check_credentials(store, config)
    yield from check_addresses(config, running.port if running else said.port)
    yield from check_clock(store, running)


def check_ways_in(config: Config, said: env.Environment, running: Running | None) -> Iterator[Check]:
    """Check for unintended access: missing keys, keys with too many scopes, disabled log-in."""
    host = running.host if running else said.host
    keyed = said.require_api_key
    proxied = bool(config.rules.trusted_proxies) or bool(said.base_url and not _is_here(said.base_url))
    if not is_loopback(host) and not config.keys:
        yield Check("warn", "keys", f"it listens on {host}, where each client needs a key, and there is none",
                    "omniroute-ctl key create NAME")  # fmt: skip
    elif proxied and not keyed:
        yield Check(
            "warn",
            "keys",
            "none is needed on this machine, and behind a proxy that sends no X-Forwarded-For everybody looks like it",
            "set REQUIRE_API_KEY=true",
        )
    elif any(key.scopes == ("inference", "admin") for key in config.keys):
        yield Check("warn", "keys", "a key may both ask models and administer: whoever has it, has everything",
                    "give it one scope: omniroute-ctl key edit REF --scope inference")  # fmt: skip
    else:
        yield Check("ok", "keys", f"valid: {len(config.keys)}")
    if not said.require_login:
        yield Check("warn", "log-in", "whoever is on this machine manages the gateway without a log-in",
                    "unset OMNIROUTE_REQUIRE_LOGIN")  # fmt: skip


def _is_here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def check_password(store: Store, said: env.Environment) -> Check:
    if password.is_set(store):
        return Check("ok", "password", "set")
    return Check("ok", "password", "none yet: one is made at the first start; `omniroute-ctl password set` sets yours")


def check_accounts(config: Config) -> Check:
    usable = [account for account in config.accounts if account.enabled]
    if usable or config.nodes:
        return Check("ok", "accounts", f"enabled: {len(usable)}, nodes: {len(config.nodes)}")
    if config.accounts:
        return Check("warn", "accounts", "all are disabled", "omniroute-ctl provider enable REF")
    return Check("warn", "accounts", "none yet", "omniroute-ctl provider add PROVIDER")


def check_combos(config: Config) -> Iterator[Check]:
    useless = [name for name in config.combos if not targets_of(name, config)]
    for name in useless:
        yield Check("warn", "combo", f"{name!r} has no target that can be asked", f"omniroute-ctl combo show {name}")
    if config.combos and not useless:
        yield Check("ok", "combos", f"all can be served: {len(config.combos)}")


def check_similar(config: Config) -> Iterator[Check]:
    """Check that the semantic cache's embedding model has a target: without one, the cache silently finds nothing."""
    name = config.rules.cache.similar
    if name and not any(map(_embeds, targets_of(name, config))):
        yield Check("warn", "cache.similar", f"nobody embeds texts by the name {name!r}",
                    f"omniroute-ctl route explain {name}")  # fmt: skip


def _embeds(target: Target) -> bool:
    dialect = "openai" if "openai" in target.provider.paths else target.dialect  # as in the semantic cache
    return embedding_url(target.provider, dialect, base_url=target.account.base_url, model=target.model) is not None


def check_credentials(store: Store, config: Config) -> Iterator[Check]:
    """Report accounts in a cooldown because their provider has refused the credential."""
    now = store.clock()
    refused = {
        whose
        for (scope, whose, _), cooling in health.read(store).cooling.items()
        if scope == "account" and cooling.cause == "auth" and cooling.until > now
    }
    for account in config.accounts:
        if account.id in refused:
            yield Check("warn", "credential", f"{_name(account)} is refused by its provider",
                        f"omniroute-ctl provider test {account.id}")  # fmt: skip


def check_addresses(config: Config, port: int) -> Iterator[Check]:
    """Check base URLs of accounts and nodes: invalid, the gateway itself, unencrypted, or local without a server."""
    places = [(f"the account {_name(a)}", a.base_url) for a in config.accounts if a.base_url and a.enabled]
    places += [(f"the node {node.prefix!r}", node.base_url) for node in config.nodes]
    for name, url in places:
        try:
            parts = urlsplit(check_base_url(url))
            host, to = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            yield Check("fail", "base URL", f"{name} leads to {url!r}: {error}", "remove it and add it anew")
            continue
        if is_loopback(host) and to == port:
            yield Check("fail", "base URL", f"{name} leads to this gateway itself", "give it the upstream's own URL")
        elif parts.scheme == "http" and not is_local(url):
            yield Check("warn", "base URL", f"{name} sends its credential in the clear to {host}", "use https")
        elif is_loopback(host) and not _listens(host, to):
            yield Check("warn", "base URL", f"{name} leads to {host}:{to}, where nobody listens", "start that server")


def check_clock(store: Store, running: Running | None) -> Iterator[Check]:
    """Check that the clock was not set back, which would extend cooldowns, sessions and limits."""
    latest = max([row.at for row in usage.recent(store, 1)] + [(running and running.started_at) or 0.0])
    if (ahead := latest - store.clock()) > SKEW:
        yield Check("warn", "clock", f"it is {ahead:,.0f} s behind what it said before", "set the machine's clock")


def _listens(host: str, port: int) -> bool:
    try:
        with closing(socket.create_connection((host, port), KNOCK)):
            return True
    except OSError:
        return False


def _name(account: Account) -> str:
    return f"{account.name!r} of {account.provider} ({account.id})"


def check_all(state: State) -> Iterator[Check]:
    """Run all checks; file modes are checked before the store is opened, as opening it corrects some of them."""
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
    """Check the database without migrating it, as a running gateway may need the old version."""
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
            with suppress(InvalidEnvironment):  # `check_port` reports it
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
    """Check the free bytes for the database, its backups and its write-ahead log."""
    shown = f"{free / 1e9:,.1f} GB are free"
    if free < LEAST_SPACE:
        return Check("fail", "disk", shown, "make room: nothing can be written down when it is full")
    return Check("warn", "disk", shown, "make room soon") if free < LITTLE_SPACE else Check("ok", "disk", shown)


LEAST_SPACE, LITTLE_SPACE = 100_000_000, 1_000_000_000
SHORTEST = {name: 16 for name in VARIABLES} | {PASSWORD_VARIABLE: password.SHORTEST}
"""Minimum length of secrets; shorter for a password, as failed log-ins are limited."""


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
    """Compare the installed distributions with the requirements that the package declares."""
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
    except InvalidEnvironment as error:
        yield Check("fail", "network proxy", str(error), "mend the variable or unset it")
    with suppress(InvalidEnvironment):  # `check_port` reports it
        if not env.is_loopback(env.read(environ).host):
            yield Check("warn", "environment", "HOSTNAME lets other machines in, so each client needs a key")


def check_port(state: State, environ: Mapping[str, str]) -> Check:
    running = read_runtime(state.data_dir)
    if running is not None:
        if answers(running):
            return Check("ok", "port", f"the gateway answers at {running.url}")
        return Check("fail", "port", f"process {running.pid} runs but does not answer at {running.url}", "restart it")
    try:
        said = env.read(environ)
    except InvalidEnvironment as error:
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
"""Prefixes of mitmproxy's public files: its certificate without the key, and the DH parameters."""


def check_files(path: Path) -> Check:
    """Check that secrets, the database and its backups are accessible to the owner only."""
    open_to_others = [
        str(file.relative_to(path))
        for file in sorted(path.rglob("*"))
        if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077 and not file.name.startswith(PUBLIC)
    ]
    if open_to_others:
        return Check("fail", "files", f"others may read {', '.join(open_to_others)}", f"chmod -R go= {path}")
    return Check("ok", "files", "private")
