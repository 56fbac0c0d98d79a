"""Options in; opens and closes what is shared; sets up mitmproxy itself the way a gateway needs it."""

import asyncio
import gc
import logging
import os
import re
import socket
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.mode_specs import ProxyMode

from omniroute.addons.meter import break_off
from omniroute.env import InvalidEnvironment, is_loopback, read
from omniroute.gateway import allocator
from omniroute.gateway.runtime import Limits, Runtime
from omniroute.netproxy.env_proxies import read_environment
from omniroute.routing.attempt_policy import longest_deadline
from omniroute.store.db.files import StoreError

log = logging.getLogger(__name__)

NOWHERE = "http://127.0.0.1:9"
"""Where reverse mode would send what no hook has decided about: the discard port, where nobody listens."""
PERIOD = re.compile(r"([1-9][0-9]{0,5})([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
HINT = (
    "omniroute: mitmproxy starts on port 8080 before the gateway can choose its own; when 8080 is taken, say the "
    f"gateway's port yourself: --mode reverse:{NOWHERE}@127.0.0.1:20128"
)


class Lifecycle:
    name = "omniroute.lifecycle"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._hint = _PortHint()

    def load(self, loader: Loader) -> None:
        limits = Limits()
        add = loader.add_option
        add("omniroute_data_dir", str, "", "Where everything is kept; DATA_DIR, else ~/.omniroute.")
        add("omniroute_keep_flows", int, 1000, "Flows that mitmweb keeps; older ones go.")
        add("omniroute_max_body", int, limits.max_body, "Bytes of the largest request body.")
        add("omniroute_require_api_key", bool, False, "Refuse requests without a key on loopback too.")
        add("omniroute_cache_breakpoints", bool, True, "Let Claude cache the prompts of clients of other dialects.")
        add("omniroute_stream_usage", bool, True, "Ask OpenAI-shaped upstreams to count tokens in streams.")
        add(
            "omniroute_response_ttl",
            str,
            "24h",
            "How long replies are kept to be gone on from: 30m, 24h, 7d; 0 for not.",
        )
        add("omniroute_response_store", int, limits.response_store, "Bytes of all replies that are kept.")
        said = "Seconds of silence after which a client that waits for a stream is kept; 0 switches it off."
        add("omniroute_keepalive", str, f"{limits.keepalive:g}", said)
        logging.getLogger().addHandler(self._hint)
        allocator.set_up()

    def configure(self, updated: set[str]) -> None:
        options = ctx.options
        if min(options.omniroute_max_body, options.omniroute_keep_flows, options.omniroute_response_store) < 1:
            raise exceptions.OptionsError(
                "omniroute_max_body, omniroute_keep_flows and omniroute_response_store count from 1"
            )
        try:
            settings = read(os.environ)
            self.runtime.environment = read_environment(os.environ)
        except InvalidEnvironment as error:
            raise exceptions.OptionsError(str(error)) from error
        self.runtime.limits = Limits(
            max_body=options.omniroute_max_body,
            require_key=options.omniroute_require_api_key or settings.requires_key or _is_open(options.mode),
            stream_usage=options.omniroute_stream_usage,
            cache_breakpoints=options.omniroute_cache_breakpoints,
            response_ttl=_period("omniroute_response_ttl"),
            response_store=options.omniroute_response_store,
            keepalive=_seconds("omniroute_keepalive"),
        )
        self._settings = settings

    def running(self) -> None:
        logging.getLogger().removeHandler(self._hint)
        data_dir = Path(ctx.options.omniroute_data_dir or self._settings.data_dir).expanduser()
        changes: dict[str, object] = {"connection_strategy": "lazy"}
        try:
            if list(ctx.options.mode) == ["regular"]:
                host = ctx.options.listen_host or self._settings.host
                changes |= {"mode": [f"reverse:{NOWHERE}"], "listen_host": host}
                if ctx.options.listen_port is None:
                    check_port(host, self._settings.port)
                    changes["listen_port"] = self._settings.port
            self.runtime.open(data_dir)
        except (StoreError, OSError) as error:
            log.error("%s", error)  # mitmproxy ends a start that has logged an error
            return
        ctx.options.update(**changes)
        self._usual = ctx.options.tcp_timeout
        self._stay_as_long()
        self.runtime.changed = self._stay_as_long
        self.runtime.tasks.start(self._announce(), "announce")
        self.runtime.tasks.start(self._freeze(), "freeze")

    async def _freeze(self) -> None:
        """Let no collection look again at what stays, once all of it is loaded: it is most of what there is."""
        await self.runtime.prices_known.wait()
        await self.runtime.managed.wait()
        gc.freeze()

    def _stay_as_long(self) -> None:
        """Let mitmproxy keep silent connections for longer than the gateway waits for anybody."""
        seconds = max(self._usual, int(longest_deadline(self.runtime.config)) + 60)
        if seconds != ctx.options.tcp_timeout:
            ctx.options.update(tcp_timeout=seconds)
            for handler in ctx.master.addons.get("proxyserver").connections.values():
                handler.timeout_watchdog.timeout = max(handler.timeout_watchdog.timeout, seconds)

    async def _announce(self) -> None:
        """Wait for the port, which may still be opening, and say where it is."""
        servers = ctx.master.addons.get("proxyserver").servers
        changed = asyncio.Event()

        def notice() -> None:
            changed.set()

        servers.changed.connect(notice)
        while not (found := [a for s in servers if s.mode.type_name == "reverse" for a in s.listen_addrs]):
            await changed.wait()
            changed.clear()
        host, port = found[0][0], found[0][1]
        if host in ("", "0.0.0.0", "::"):
            host = "127.0.0.1"  # everywhere includes here
        await self.runtime.announce(host=host, port=port, web_url=getattr(ctx.master, "web_url", None))
        log.info("omniroute serves %s", self.runtime.address)

    def done(self) -> None:
        logging.getLogger().removeHandler(self._hint)
        break_off(self.runtime)
        self.runtime.close()


def _is_open(modes: Sequence[str]) -> bool:
    """Tell whether others than this machine can reach a port; without an address mitmproxy listens everywhere."""
    if list(modes) == ["regular"]:  # then we choose the address
        return bool(ctx.options.listen_host) and not is_loopback(ctx.options.listen_host)
    try:
        hosts = [ProxyMode.parse(mode).listen_host(ctx.options.listen_host).strip("[]") for mode in modes]
    except ValueError:  # mitmproxy says what is wrong with it
        return True
    return not all(map(is_loopback, hosts))


def check_port(host: str, port: int) -> None:
    """Raise OSError in one sentence when a port cannot be had; mitmproxy would go on without it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = error.strerror or str(error)
            raise OSError(f"port {port} on {host} cannot be used: {why}. Choose another with PORT or --port") from None


def _seconds(option: str) -> float:
    text = getattr(ctx.options, option)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400:
        raise exceptions.OptionsError(f"{option} is {text!r}: it takes seconds, 0 for never and at most 86400")
    return seconds


def _period(option: str) -> float:
    text = getattr(ctx.options, option)
    if text == "0":
        return 0.0
    if (found := PERIOD.fullmatch(text)) is None:
        raise exceptions.OptionsError(f"{option} is {text!r}: it takes a time such as 30m, 24h or 7d, or 0")
    return float(found[1]) * UNITS[found[2]]


class _PortHint(logging.Handler):
    """mitmproxy binds its own default port before a script can say another: explain that one failure."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR and "8080" in (text := record.getMessage()) and "in use" in text:
            print(HINT, flush=True)
