"""Work of clients is spread over iterations of the event loop, in order, and nothing is lost."""

import asyncio
import logging

import pytest

from omniroute.mitm.pacer import LEAST, MOST, QUICK, SLOW, Pacer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def drained(pacer: Pacer) -> None:
    for _ in range(100):
        await asyncio.sleep(0)
    assert not len(pacer)


async def run(pacer: Pacer, clock: Clock, count: int, took: float) -> list[int]:
    """Submit work, and return how much of it ran in each iteration."""
    done: list[int] = []
    for number in range(count):
        pacer.submit(lambda number=number: done.append(number))
    batches = []
    for _ in range(count):
        clock.now += took
        before = len(done)
        await asyncio.sleep(0)
        batches.append(len(done) - before)
        if not len(pacer):
            break
    assert done == list(range(count))
    return [batch for batch in batches if batch]


async def test_slow_iterations_start_little() -> None:
    clock = Clock()
    batches = await run(Pacer(asyncio.get_running_loop(), clock=clock), clock, 200, 2 * SLOW)
    assert batches[-2] == LEAST
    assert max(batches) <= MOST


async def test_quick_iterations_start_more_and_never_all() -> None:
    clock = Clock()
    batches = await run(Pacer(asyncio.get_running_loop(), clock=clock), clock, 500, QUICK / 10)
    assert max(batches) == MOST


async def test_what_fails_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    pacer, done = Pacer(asyncio.get_running_loop()), []
    pacer.submit(lambda: 1 / 0)
    pacer.submit(lambda: done.append(1))
    await drained(pacer)
    assert done == [1]
    assert "could not be handled" in caplog.text


async def test_without_a_queue_work_starts_at_once_up_to_a_bound() -> None:
    active: list[int] = []
    pacer = Pacer(asyncio.get_running_loop(), active=lambda: active.append(1))
    assert sum(pacer.try_now() for _ in range(100)) == MOST
    assert len(active) == 100
    await asyncio.sleep(0)
    assert pacer.try_now(), "the bound is for one iteration of the loop"
    pacer.submit(lambda: None)
    assert not pacer.try_now(), "what comes later waits behind the queue"
    await drained(pacer)
