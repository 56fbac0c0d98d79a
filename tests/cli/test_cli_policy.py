"""`omniroute-ctl policy …`."""

import time
from pathlib import Path

from omniroute.access.lockouts import Lockout
from omniroute.routing.health import Breaker, HealthChanges
from omniroute.store.config import rows
from omniroute.store.db.database import Store
from omniroute.store.state import health, lockouts


def held(data_dir: Path) -> None:
    store, now = Store(data_dir), time.time()
    lockouts.save(
        store,
        {
            "key:203.0.113.7": Lockout(11, now, now + 120, locked=True),
            "login:2001:db8::/64": Lockout(4, now, now + 50),
            "key:198.51.100.1": Lockout(4, now - 100, now - 98),
        },
    )
    health.save(store, HealthChanges({}, {("provider", "openai"): Breaker(5, now, 30.0), ("account", "a"): Breaker(2)}))
    store.close()


def test_policies_from_first_to_last(ctl, as_json, refused, data_dir) -> None:
    said = ctl("policy", "list").stdout
    assert "Nobody is locked out." in said
    assert "Every circuit breaker is closed." in said
    held(data_dir)
    shown = as_json("policy", "list")
    [breaker] = shown["circuit_breakers"]
    assert (breaker["scope"], breaker["whose"], breaker["state"]) == ("provider", "openai", "OPEN")
    first, second = shown["locked_identifiers"]
    assert (first["identifier"], first["state"], first["failures"]) == ("key:203.0.113.7", "locked", 11)
    assert 100_000 < first["remaining_ms"] <= 120_000
    assert (second["identifier"], second["state"]) == ("login:2001:db8::/64", "slowed")
    said = ctl("policy", "list").stdout
    assert "key:203.0.113.7" in said
    assert "OPEN" in said

    assert "'key:203.0.113.8' is not locked; did you mean 'key:203.0.113.7'" in refused(
        "policy", "unlock", "key:203.0.113.8"
    )
    refused("policy", "unlock", code=2)
    refused("policy", "unlock", "key:203.0.113.7", "--all", code=2)
    assert ctl("policy", "unlock", "key:203.0.113.7").stdout == "Unlocked key:203.0.113.7.\n"
    assert [each["identifier"] for each in as_json("policy", "list")["locked_identifiers"]] == ["login:2001:db8::/64"]
    assert len(as_json("policy", "unlock", "--all")["unlocked"]) == 2
    assert as_json("policy", "list")["locked_identifiers"] == []
    assert ctl("policy", "unlock", "--all").stdout == "Nobody was locked out.\n"


def test_a_running_gateway_is_told_of_each_that_was_unlocked(ctl, data_dir) -> None:
    held(data_dir)
    ctl("policy", "unlock", "key:203.0.113.7")
    ctl("policy", "unlock", "login:2001:db8::/64")
    store = Store(data_dir)
    told = [name for _, name in rows.settings(store)["unlocks"]]
    later = Store(data_dir, clock=lambda: time.time() + 3600)
    assert told == ["key:203.0.113.7", "login:2001:db8::/64"]
    lockouts.unlock(later, "*")
    assert [name for _, name in rows.settings(later)["unlocks"]] == ["*"], "what was told long ago is let go"
    store.close()
    later.close()


def test_nonsense_is_refused_with_the_setting_and_its_range(ctl, refused) -> None:
    assert "lockout.key_lock_after takes a whole number from 0 to 1000, not '-1'" in refused(
        "settings", "set", "lockout.key_lock_after", "--", "-1"
    )
    assert "lockout.seconds takes seconds from 1 to 86400, not '0'" in refused(
        "settings", "set", "lockout.seconds", "0"
    )
    assert ctl("settings", "set", "lockout.key_lock_after", "5").stdout == "lockout.key_lock_after is 5 from now on.\n"
