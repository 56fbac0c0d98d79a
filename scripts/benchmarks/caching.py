"""What the cache adds to a request that it is looked up for, and what an answer out of it takes. No sockets.

A small request and one of 300 KB; medians in milliseconds of processor time. A hit takes what stands here and what
mitmproxy takes for any answer of an addon; together they are to be at most 2 ms.
"""

import asyncio
import time
from statistics import median

import orjson
from mitmproxy.test import tflow
from rich.console import Console
from rich.table import Table

from omniroute.addons.cache import Cache
from omniroute.cache.answer import CachedAnswer
from omniroute.config.model import Account, Config
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.routing.endpoints import claim

PATH = "/v1/chat/completions"
REPLY = orjson.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello " * 200}}]})

type Found = dict[str, float]


def measure(*, quick: bool) -> Found:
    """Look up again and again, every case in each round, so that a machine that slows down slows all."""
    return asyncio.run(_measure(50 if quick else 1000))


async def _measure(rounds: int) -> Found:
    addon = Cache(Runtime())
    addon.runtime.config = Config(accounts=(Account("id", "openai", "mine"),))
    times: dict[str, list[float]] = {}
    for number in range(rounds):
        for name, size in (("small", 1000), ("300 KB", 300_000)):
            for hit in (False, True):
                taken = await _once(addon, f"{'' if hit else number}{'x' * size}", known=hit and number > 0)
                times.setdefault(f"{'hit' if hit else 'miss'}, {name}", []).append(taken)
    return {name: median(taken) for name, taken in times.items()}


async def _once(addon: Cache, text: str, *, known: bool) -> float:
    runtime = addon.runtime
    body = {"model": "openai/gpt-4o", "temperature": 0, "messages": [{"role": "user", "content": text}]}
    raw = orjson.dumps(body)
    flow = tflow.tflow()
    exchange = Exchange("id", runtime.wall(), 0.0, "openai", PATH, "", (), runtime.config)
    exchange.claimed, exchange.model, exchange.raw, exchange.body = claim("POST", PATH), body["model"], raw, body
    runtime.exchanges[flow] = exchange
    began = time.thread_time()
    await addon.request(flow)
    taken = (time.thread_time() - began) * 1000
    assert (exchange.replay.said == "HIT") is known, exchange.replay.said
    if not known:
        answer = CachedAnswer(runtime.wall(), "openai", REPLY)
        runtime.replays.keep(exchange.replay.key, answer, runtime.config.rules)
        addon._end(exchange, answer)
    return taken


def show(found: Found) -> None:
    table = Table(title="The cache (medians; no sockets)")
    table.add_column("")
    table.add_column("", justify="right")
    for name, taken in found.items():
        table.add_row(name, f"{taken:.3f} ms")
    Console().print(table)
