"""`omniroute-ctl key …`: all that a key may be."""

import pytest


def test_a_key_from_first_to_last(ctl, as_json) -> None:
    words = ("--scope", "admin", "--scope", "inference", "--ip", "10.0.0.0/8", "--ip", "::1", "--rpm", "60")
    made = as_json("key", "create", "team", *words, "--concurrency", "5", "--expires", "30d", "--allow", "openai/*")
    assert (made["scopes"], made["ips"]) == (["inference", "admin"], ["10.0.0.0/8", "::1"])
    shown = as_json("key", "show", "team")
    assert "key" not in shown
    assert (shown["rpm"], shown["concurrency"], shown["state"], shown["last_used_at"]) == (60, 5, "valid", None)
    said = ctl("key", "list").stdout
    for text in ("inference, admin", "60 a minute, 5 at once", "never"):
        assert text in said
    assert "10.0.0.0/8, ::1" in ctl("key", "show", "team").stdout
    changed = as_json("key", "edit", "team", "--rpm", "0", "--ip", "any", "--allow", "any", "--expires", "never")
    assert (changed["rpm"], changed["ips"], changed["allow"], changed["expires_at"]) == (None, [], [], None)
    assert (changed["concurrency"], changed["scopes"]) == (5, ["inference", "admin"])
    assert as_json("key", "edit", "team", "--name", "crew")["name"] == "crew"
    turned = as_json("key", "rotate", "crew")
    assert (turned["id"], turned["key"] == made["key"]) == (made["id"], False)
    assert "not shown again" in ctl("key", "rotate", "crew").stdout
    assert as_json("key", "revoke", "crew")["state"] == "revoked"


def test_an_end_may_be_a_date(as_json) -> None:
    assert as_json("key", "create", "long", "--expires", "2090-01-31T10:00+00:00")["expires_at"] == (
        "2090-01-31T10:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--rpm", "-1"), 1, "requests a minute cannot be -1: it takes 1 to 1,000,000, or 0 for no limit"),
        (("--rpm", "many"), 2, "many"),
        (("--concurrency", "99999999"), 1, "the concurrency cannot be 99999999"),
        (("--ip", "10.0.0.0/99"), 1, "'10.0.0.0/99' is no address and no network"),
        (("--scope", "root"), 1, "there is no scope 'root'"),
        (("--expires", "2001-01-01"), 2, "lies in the past"),
        (("--expires", "0d"), 2, "is neither a time"),
        (("--expires", "2999-12-31"), 2, "too far in the future"),
        (("--expires", "soon"), 2, "is neither a time"),
    ],
)
def test_bad_input(ctl, as_json, refused, words: tuple[str, ...], code: int, says: str) -> None:
    ctl("key", "create", "laptop")
    before = as_json("key", "list")
    assert says in refused("key", "create", "other", *words, code=code)
    assert says in refused("key", "edit", "laptop", *words, code=code)
    assert as_json("key", "list") == before


def test_nothing_to_change(ctl, refused) -> None:
    ctl("key", "create", "laptop")
    assert "say what to change" in refused("key", "edit", "laptop", code=2)
    assert "there is no live key 'latpop'; did you mean 'laptop'?" in refused("key", "show", "latpop")
