"""`omniroute-ctl status`: who is held back right now."""

import json
import os
import time
from pathlib import Path

import click
import pytest

from omniroute.access.lockouts import Lockout
from omniroute.cli import status as module
from omniroute.routing.admission_queue import AdmissionChanges as InUseChanges
from omniroute.routing.admission_queue import LimitUse
from omniroute.routing.health import Breaker, Cooldown, HealthChanges
from omniroute.store.config import limits
from omniroute.store.db.database import Store
from omniroute.store.state import health, lockouts


@pytest.fixture
def busy(data_dir: Path, ctl, home: None) -> None:
    """Leave what a gateway writes that runs and has troubles: the gateway is this process."""
    note = {"pid": os.getpid(), "host": "127.0.0.1", "port": 9}
    (data_dir / "runtime.json").write_text(json.dumps(note), encoding="utf-8")
    ctl("limits", "set", "home", "--concurrency", "3", "--rpm", "9")
    now = time.time()
    store = Store(data_dir)
    cooling = {
        ("model", "node:home", "a"): Cooldown(now + 60, now, 2, "rate", "429", provider_named=True),
        ("model", "node:home", "gone"): Cooldown(now - 1, now - 9, 1, "rate", "429"),
    }
    breakers = {
        ("account", "node:home"): Breaker(5, now - 1, 30.0),
        ("provider", "home"): Breaker(2),
    }
    health.save(store, HealthChanges(cooling, breakers))
    limits.save(store, InUseChanges({"node:home": LimitUse(3, 4, 7)}, {("node:home", "a"): 50.0}), now)
    lockouts.save(store, {"key:203.0.113.7": Lockout(12, now, now + 300, True), "key:old": Lockout(9, 0.0, 1.0, True)})
    store.close()


def test_it_lists_who_is_held_back(busy, ctl, as_json) -> None:
    found = as_json("status")
    [cooling], [breaker], [limited], [locked] = (found[name] for name in ("cooling", "breakers", "limits", "locked"))
    assert (cooling["whose"], cooling["model"], cooling["after"], cooling["times"]) == ("node:home", "a", "429", 2)
    assert 55 < cooling["seconds"] <= 60
    assert (breaker["scope"], breaker["state"], breaker["failures"]) == ("account", "OPEN", 5)
    assert 25 < breaker["seconds"] <= 29
    assert (limited["in_flight"], limited["waiting"], limited["last_minute"], limited["concurrency"]) == (3, 4, 7, 3)
    assert 45 < limited["shut"]["a"] <= 50
    assert (locked["identifier"], locked["failures"]) == ("key:203.0.113.7", 12)
    shown = ctl("status").stdout
    for said in (
        "Cooling down:",
        "breakers that are not closed:",
        "Accounts with limits:",
        "Locked out",
        "203.0.113.7",
    ):
        assert said in shown


def test_it_says_nothing_of_whom_nobody_holds_back(ctl, as_json, home) -> None:
    found = as_json("status")
    assert [found[name] for name in ("cooling", "breakers", "limits", "locked")] == [[]] * 4
    assert ":\n" not in ctl("status").stdout


def test_it_is_shown_again_until_somebody_ends_it(ctl, home, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise click.Abort

    monkeypatch.setattr(module.time, "sleep", sleep)
    shown = ctl("status", "--watch", "2", code=130).stdout
    assert slept == [2.0] * 3
    assert shown.count("gateway") >= 3


def test_how_often_is_checked(refused, home) -> None:
    assert "0.2" in refused("status", "--watch", "0", code=2)
