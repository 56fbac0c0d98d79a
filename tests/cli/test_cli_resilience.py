"""Cool-downs, breakers and profiles at the command line."""

import time

import pytest
from cases import every

from omniroute.config.resilience_profiles import PROFILES, ResilienceProfile
from omniroute.routing.failures import TABLE
from omniroute.routing.health import HealthKey
from omniroute.store.db.database import Store
from omniroute.store.state import health


@pytest.fixture
def unwell(home, data_dir) -> None:
    """Let the node have failed so often that its breaker is open."""
    store = Store(data_dir)
    felt, now = health.load(store), time.time()
    whom = HealthKey("node:home", "home", "a")
    for judgement, hint in ((TABLE["network"], None), (TABLE["rate"], 500.0), (TABLE["server"], None)):
        felt.attempt_failed(
            "x",
            whom,
            judgement,
            ResilienceProfile(failures=2),
            began=now,
            now=now,
            dice=0.0,
            hint=hint,
            why=judgement.cause,
        )
    if changes := felt.changes():
        health.save(store, changes)
    store.close()


def test_it_shows_profiles_and_who_is_unwell(ctl, as_json, unwell) -> None:
    shown = as_json("resilience", "show")
    assert list(shown["profiles"]) == list(PROFILES)
    assert shown["profiles"]["apikey"]["failures"] == PROFILES["apikey"].failures
    assert {(one["scope"], one["whose"], one["model"]) for one in shown["cooling"]} == {
        ("model", "node:home", "a"),
        ("provider", "home", None),
    }
    assert {(one["scope"], one["state"], one["failures"]) for one in shown["breakers"]} == {
        ("account", "OPEN", 2),
        ("provider", "OPEN", 2),
    }
    assert "OPEN" in ctl("resilience", "show").stdout


def test_explain_tells_who_rests(as_json, unwell) -> None:
    other = as_json("route", "explain", "home/b")
    assert other["targets"][0]["why"].startswith("asked for by name, last resort: the account's breaker is open")
    limited = as_json("route", "explain", "home/a")
    assert limited["targets"] == []
    assert limited["left_out"][0]["why"].startswith("cooling down after rate, for ")
    as_json("settings", "set", "cooldowns", "off")
    assert "last resort" not in as_json("route", "explain", "home/a")["targets"][0]["why"]


@pytest.mark.parametrize("ref", [None, "home"])
def test_reset_makes_them_well(ctl, as_json, unwell, ref) -> None:
    ctl("resilience", "reset", *([ref] if ref else []))
    shown = as_json("resilience", "show")
    assert shown["cooling"] == shown["breakers"] == []
    assert "Nobody is cooling down." in ctl("resilience", "show").stdout
    assert "reset" not in as_json("settings", "get"), "what is kept for the gateway is no setting"


def test_a_profile_and_a_provider_are_set(ctl, as_json, home) -> None:
    assert as_json("resilience", "set", "apikey", "base=7", "failures=9")["apikey"]["failures"] == 9
    assert as_json("resilience", "set", "ds", "jitter=0.5") == {"deepseek": {"jitter": 0.5}}
    profiles = as_json("resilience", "show")["profiles"]
    assert (profiles["apikey"]["base"], profiles["deepseek"]) == (7.0, {"jitter": 0.5})
    assert "deepseek" in ctl("resilience", "show").stdout
    assert as_json("resilience", "set", "apikey", "base=")["apikey"]["base"] == PROFILES["apikey"].base
    assert "as its profile" in ctl("resilience", "set", "deepseek", "jitter=").stdout


@every(
    ("words", "code", "says"),
    [
        (("set", "apikey", "base"), 2, "no FIELD=VALUE"),
        (("set", "apikey", "bass=1"), 1, "did you mean 'base'"),
        (("set", "nobody", "base=1"), 1, "there is no provider or node 'nobody'"),
        (("set", "apikey", "failures=2", "base=-1"), 1, "base of apikey takes seconds from 0.1 to 86400"),
        (("set", "apikey", "failures=0"), 1, "failures of apikey takes a whole number from 1 to 1000"),
        (("set", "apikey", "factor=nan"), 1, "factor of apikey takes a number from 1 to 100"),
        (("reset", "nobody"), 1, "nobody"),
    ],
)
def test_what_cannot_be_set(refused, as_json, words, code, says) -> None:
    before = as_json("resilience", "show")
    assert says in refused("resilience", *words, code=code)
    assert as_json("resilience", "show") == before, "all or nothing"
