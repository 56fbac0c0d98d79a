"""The lag of the event loop is measured, and what holds it is named."""

import asyncio
import logging
import time

import pytest

from omniroute.gateway.loop_watchdog import BUCKETS, HELD, WINDOW, LagRecord, LoopWatchdog


def hold_the_loop(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def test_code_that_holds_the_loop_is_logged_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    watchdog = LoopWatchdog()
    watchdog.start()
    watchdog.active()
    for _ in range(20):  # a busy machine may keep the thread from its look
        await asyncio.sleep(0.1)
        hold_the_loop(3 * HELD)
        if caplog.records:
            break
    await asyncio.sleep(0.1)
    watchdog.stop()
    assert "hold_the_loop" in caplog.text
    assert "the event loop has been held for" in caplog.text
    assert watchdog.lag.maximum > HELD
    assert watchdog.lag.held >= 1
    assert watchdog.lag.recent(time.monotonic()) == watchdog.lag.maximum
    assert sum(watchdog.lag.counts) >= 2


async def test_it_logs_seldom(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = LoopWatchdog()
    watchdog.start()
    watchdog.active()
    for _ in range(3):
        await asyncio.sleep(0.06)
        hold_the_loop(2 * HELD)
    watchdog.stop()
    assert len(caplog.records) <= 1


async def test_it_stops_and_starts_again() -> None:
    watchdog = LoopWatchdog()
    for _ in range(2):
        watchdog.start()
        watchdog.start()
        watchdog.active()
        watchdog.stop()
    watchdog.active()  # after its end this does nothing
    watchdog.stop()
    assert watchdog.lag.maximum < WINDOW


def test_the_record() -> None:
    lag = LagRecord()
    for second in range(100):
        lag.add(0.5 if second == 0 else 0.001, float(second))
    lag.add(20.0, 100.0)
    assert lag.counts[0] == 99
    assert lag.counts[-1] == 1
    assert lag.counts[BUCKETS.index(0.5)] == 1
    assert lag.maximum == 20.0
    assert lag.held == 2
    assert lag.recent(100.0) == 20.0
    assert lag.recent(100.0 + 2 * WINDOW) == 0.0
    assert len(lag.slots) <= 14
    lag.add(0.0, 500.0)
    assert lag.recent(500.0) == 0.0
