"""`omniroute-ctl limits …`, and what `route explain` says of who is at its limit."""

import json
import os
import time
from pathlib import Path

import pytest
from cases import every

from omniroute.routing.admission_queue import AdmissionChanges, LimitUse
from omniroute.store.config import limits
from omniroute.store.db.database import Store

NONE = {"rpm": None, "gap_ms": None, "concurrency": None}


@pytest.fixture
def running(data_dir: Path, home: None) -> None:
    """Leave the note of a gateway that runs: this process."""
    note = {"pid": os.getpid(), "host": "127.0.0.1", "port": 9}
    (data_dir / "runtime.json").write_text(json.dumps(note), encoding="utf-8")


def test_limits_from_first_to_last(ctl, as_json, home) -> None:
    assert "No account is limited." in ctl("limits", "show").stdout
    assert as_json("limits", "set", "home", "--concurrency", "4")["concurrency"] == 4
    assert as_json("limits", "set", "home", "--rpm", "60", "--gap", "2.5") == {
        **{"account": "no key", "account_id": "node:home", "rpm": 60, "gap_ms": 2.5, "concurrency": 4}
    }
    said = ctl("limits", "set", "home", "--rpm", "0").stdout
    assert said == "no key (home) takes at most a request every 2.5 ms and 4 at once from now on.\n"
    assert "home" in ctl("limits", "show").stdout
    [shown] = as_json("limits", "show")
    assert shown == NONE | {
        **{"account": "no key", "account_id": "node:home", "provider": "home", "gap_ms": 2.5, "concurrency": 4},
        **{"in_flight": 0, "last_minute": 0, "waiting": 0, "shut": {}},
    }
    assert ctl("limits", "set", "home", "--default").stdout == "no key (home) is not limited from now on.\n"
    assert as_json("limits", "show") == []
    [shown] = as_json("limits", "show", "home")
    assert shown["concurrency"] is None


def test_an_account_is_named_as_everywhere(ctl, as_json, refused, home) -> None:
    added = as_json("provider", "add", "openai", "--api-key-stdin", "--name", "work", input="sk-1\n")
    assert as_json("limits", "set", "work", "--rpm", "5")["account_id"] == added["id"]
    assert as_json("limits", "set", "openai", "--gap", "20") == {
        **{"account": "work", "account_id": added["id"], "rpm": 5, "gap_ms": 20, "concurrency": None}
    }
    assert "there is no account 'wrok'; did you mean 'work'?" in refused("limits", "set", "wrok", "--rpm", "5")
    ctl("provider", "remove", "work")
    assert as_json("limits", "show") == [], "they go with the account"


def test_the_limits_of_a_node_go_with_it(ctl, as_json, home) -> None:
    ctl("limits", "set", "home", "--rpm", "5")
    ctl("node", "remove", "home")
    ctl("node", "add", "home", "--dialect", "openai", "--base-url", "http://127.0.0.1:9/v1")
    assert as_json("limits", "show") == []


@every(
    ("words", "said"),
    [
        (["--rpm", "-1"], "requests a minute cannot be -1: it takes 1 to 1,000,000"),
        (["--rpm", "1000001"], "requests a minute cannot be 1e+06"),
        (["--gap", "0.4"], "the gap in ms cannot be 0.4: it takes 1 to 600,000"),
        (["--gap", "nan"], "the gap in ms cannot be nan"),
        (["--gap", "inf"], "the gap in ms cannot be inf"),
        (["--concurrency", "-3"], "the concurrency cannot be -3"),
    ],
)
def test_what_is_out_of_range_is_refused_and_the_old_limits_stay(refused, as_json, home, words, said) -> None:
    as_json("limits", "set", "home", "--rpm", "7")
    assert said in refused("limits", "set", "home", *words)
    assert as_json("limits", "show")[0]["rpm"] == 7


@pytest.mark.parametrize("words", [[], ["--default", "--rpm", "4"]])
def test_it_takes_limits_or_the_default(refused, home, words) -> None:
    assert "say a limit, or --default" in refused("limits", "set", "home", *words, code=2)


def test_what_the_gateway_says_is_shown(ctl, as_json, running, data_dir: Path) -> None:
    ctl("limits", "set", "home", "--rpm", "60", "--concurrency", "2")
    assert as_json("route", "explain", "home/m")["targets"][0]["limited"] is None
    store = Store(data_dir)
    busy = AdmissionChanges({"node:home": LimitUse(2, 5, 9)}, {("node:home", "other"): 100.0})
    limits.save(store, busy, time.time())
    [shown] = as_json("limits", "show")
    assert (shown["in_flight"], shown["waiting"], shown["last_minute"]) == (2, 5, 9)
    assert shown["shut"] == {"other": pytest.approx(100, abs=30)}
    assert "other" in ctl("limits", "show").stdout
    assert as_json("route", "explain", "home/m")["targets"][0]["limited"] == "2 of 2 at once"
    assert "at its limit now: its provider allows no request for" in ctl("route", "explain", "home/other").stdout
    limits.save(
        store, AdmissionChanges({"node:home": LimitUse(0, 0, 60)}, {("node:home", "other"): None}), time.time() - 61
    )
    [shown] = as_json("limits", "show")
    assert (shown["in_flight"], shown["last_minute"], shown["shut"]) == (0, 0, {}), "a minute is over"
    limits.save(store, AdmissionChanges({"node:home": LimitUse(0, 0, 60)}, {}), time.time())
    assert "60 of 60 requests a minute" in ctl("route", "explain", "home/m").stdout
    (data_dir / "runtime.json").unlink()
    assert as_json("limits", "show")[0]["last_minute"] == 0, "a gateway that is gone says nothing"
    store.close()


def test_a_gateway_that_starts_goes_on_from_what_was_learned_alone(data_dir: Path, home: None) -> None:
    store = Store(data_dir)
    limits.save(store, AdmissionChanges({"node:home": LimitUse(3, 1, 4)}, {("node:home", "m"): 50.0}), 1000.0)
    assert limits.start(store) == {("node:home", "m"): 1050.0}
    assert limits.seen(store).in_use == {}
    store.close()


def test_when_accounts_were_asked_is_kept_for_a_minute(data_dir: Path, home: None) -> None:
    store = Store(data_dir)
    limits.save(store, AdmissionChanges({}, {}, (("node:home", 2.0), ("node:home", 1.0), ("b", 0.5))), 1000.0)
    limits.save(store, AdmissionChanges({}, {}, (("node:home", 2.0),)), 1000.0)
    assert limits.begun(store, 1001.0) == {"node:home": [998.0, pytest.approx(998.0), 999.0], "b": [999.5]}
    limits.save(store, AdmissionChanges({}, {}, (("b", 0.0),)), 1059.2)
    assert limits.begun(store, 1059.2) == {"b": [999.5, 1059.2]}
    store.close()
