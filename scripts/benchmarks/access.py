"""What letting in costs alone: the pure code that each request runs through before its body is read. No sockets.

    who may come in   the address, its proxies, the lists of networks and bans
    the key           its digest, its lock-out, its scope, end and places, its window and its place

Each is shown as the median of many, in microseconds of processor time, for few and for many keys and networks; the
goal for both together is 100 µs, and many cost no more than few. `wrong` is a key that is not known, `locked` one of
a source that is locked.
"""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

from rich.console import Console
from rich.table import Table

from omniroute.access.client_address import ClientAddress, Networks
from omniroute.access.ip_filter import Ban, IpFilter, check
from omniroute.config.model import Config, Key, Limit
from omniroute.errors import GatewayError
from omniroute.gateway.authenticator import Authenticator
from omniroute.store.db.secrets import hmac_sha256

FIELDS = tuple((f"x-header-{n}".encode(), b"value") for n in range(12))
RELAYED = (*FIELDS, (b"X-Forwarded-For", b"198.51.100.1, 203.0.113.7, 10.0.0.9"))
ODD = 20
"""Lengths of networks that occur in a list: few lists have more than five."""

type Found = dict[str, dict[str, float]]


def measure(*, quick: bool) -> Found:
    """Ask again and again, few and many in each round, so that a machine that slows down slows both."""
    rounds = 20 if quick else 100
    cases = {f"{n:,}": _cases(n) for n in (10, 10_000)}
    times: dict[str, dict[str, list[float]]] = {name: {} for name in cases}
    for _ in range(rounds):
        for name, each in cases.items():
            for label, ask in each.items():
                began = time.process_time_ns()
                for n in range(100):
                    ask(n)
                times[name].setdefault(label, []).append((time.process_time_ns() - began) / 100 / 1000)
    return {name: {label: median(taken) for label, taken in each.items()} for name, each in times.items()}


def _cases(many: int) -> dict[str, Callable[[int], object]]:
    digest = partial(hmac_sha256, b"a secret of this benchmark alone")
    texts = [f"sk-omni-{n:043}" for n in range(many)]
    keys = tuple(Key(f"k{n}", f"k{n}", digest(text), limit=Limit(10**6, None, 10)) for n, text in enumerate(texts))
    config = Config(keys=keys)
    gate = Authenticator(clock=time.monotonic, wall=time.time)
    gate.keep(config, Config())
    networks = Networks(f"{100 + n % ODD}.{n >> 8 & 255}.{n & 255}.0/{24 + n % 4}" for n in range(many))
    bans = {f"192.0.{n >> 8}.{n & 255}": Ban(9e9) for n in range(many)}
    doors = IpFilter(
        "whitelist-priority", networks, networks, bans, Networks(bans), Networks(["127.0.0.1", "10.0.0.0/8"])
    )
    here = ClientAddress("127.0.0.1")
    now = time.time()

    def key(n: int) -> None:
        found = gate.key((texts[n * 97 % many],), here, config, digest)
        gate.enter(found)
        gate.leave(found)

    def refused(text: str, who: ClientAddress) -> Callable[[int], None]:
        def ask(n: int) -> None:
            try:
                gate.key((text,), who, config, digest)
            except GatewayError:
                return
            raise AssertionError("it opens")

        return ask

    for n in range(many):
        for _ in range(config.rules.lockout.key_lock_after + 1):
            gate.lockouts.failed("key", f"10.1.{n >> 8}.{n & 255}", config.rules.lockout, now)
    return {
        "who may come in": lambda n: check(f"203.0.113.{n}", FIELDS, doors, now),
        "the same, through two proxies": lambda n: check("127.0.0.1", RELAYED, doors, now),
        "the key": key,
        "together": lambda n: (check(f"203.0.113.{n}", FIELDS, doors, now), key(n)),
        "a wrong key, locked": refused("wrong", ClientAddress("10.1.0.1")),
        "a wrong key": lambda n: refused("wrong", ClientAddress(f"172.{n}.0.1"))(n),
    }


def show(found: Found) -> None:
    table = Table(title="Letting in (medians)")
    table.add_column("keys and networks")
    for name in found:
        table.add_column(name, justify="right")
    for label in next(iter(found.values())):
        table.add_row(label, *(f"{each[label]:.1f} µs" for each in found.values()))
    Console().print(table)
