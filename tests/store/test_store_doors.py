"""Lists of networks: kept, refused, and never to the harm of who changes them by mistake."""

from collections.abc import Callable

import pytest

from omniroute.routing.doors import MODES, Ban
from omniroute.store import doors, settings, snapshot
from omniroute.store.database import Store


def test_lists_are_kept_in_their_usual_form(store: Store) -> None:
    assert doors.put(store, "deny", ["203.0.113.7/32", "::ffff:10.0.0.0/104", " 2001:DB8::/32"]) == [
        *("203.0.113.7", "10.0.0.0/8", "2001:db8::/32")
    ]
    doors.put(store, "allow", ["10.0.0.0/8"])
    doors.put(store, "deny", ["10.0.0.0/8"])
    found = snapshot.load(store).doors
    assert set(found.deny.texts) == {"203.0.113.7", "10.0.0.0/8", "2001:db8::/32"}
    assert found.allow.texts == ("10.0.0.0/8",)
    assert found.mode == "off"
    assert doors.remove(store, ["10.0.0.0/8"]) == ["10.0.0.0/8"]
    found = doors.now(store)
    assert (found.allow.texts, len(found.deny.texts)) == ((), 2)


def test_each_change_is_noticed(store: Store) -> None:
    seen = [store.revision()]
    for change in (
        lambda: doors.put(store, "deny", ["10.0.0.0/8"]),
        lambda: doors.set_mode(store, "blacklist"),
        lambda: doors.put(store, "ban", ["10.0.0.1"], until=store.clock() + 900),
        lambda: doors.remove(store, ["10.0.0.1"], ("ban",)),
        lambda: doors.remove(store, ["10.0.0.0/8"]),
        lambda: doors.set_mode(store, "off"),
    ):
        change()
        seen.append(store.revision())
    assert seen == sorted(set(seen))


def test_bans_end_by_themselves(store: Store) -> None:
    now = store.clock()
    doors.put(store, "ban", ["203.0.113.7"], until=now + 60, reason="noise")
    found = doors.now(store)
    assert found.bans == {"203.0.113.7": Ban(now + 60, "noise")}
    assert found.refuses("203.0.113.7", now + 59)
    assert found.refuses("203.0.113.7", now + 60) is None
    doors.put(store, "ban", ["203.0.113.7"], until=now + 90)
    assert doors.now(store).bans["203.0.113.7"].until == now + 90, "a further ban takes the place of the first"


@pytest.mark.parametrize("caller", ["203.0.113.7", "127.0.0.1", "::1"])
def test_nobody_locks_himself_or_this_machine_out(store: Store, refuses: Callable[..., str], caller: str) -> None:
    whom = {"caller": (caller,)}
    until = store.clock() + 900
    assert f"this would keep out {caller}" in refuses(doors.put, "ban", [caller], until=until, **whom)
    assert "this would keep out" in refuses(doors.set_mode, "whitelist", **whom)
    doors.put(store, "deny", [caller], **whom)  # the lists do not act yet
    assert f"this would keep out {caller}" in refuses(doors.set_mode, "blacklist", **whom)
    assert doors.now(store).mode == "off"
    doors.put(store, "allow", [caller, "127.0.0.1", "::1"], **whom)
    doors.set_mode(store, "whitelist-priority", **whom)
    assert f"this would keep out {caller}" in refuses(doors.remove, [caller], ("allow",), **whom)
    doors.set_mode(store, "whitelist", **whom)
    assert "this would keep out" in refuses(doors.remove, [caller, "127.0.0.1", "::1"], ("allow",), **whom)
    assert caller in doors.now(store).allow.texts, "nothing was changed"
    doors.set_mode(store, "blacklist", force=True, **whom)
    assert doors.now(store).refuses(caller, store.clock())
    doors.put(store, "deny", ["198.51.100.1"], **whom)  # who is out already may go on
    doors.remove(store, [caller], **whom)
    assert doors.now(store).refuses(caller, store.clock()) is None


def test_nonsense_is_refused_whole(store: Store, refuses: Callable[..., str]) -> None:
    now = store.clock()
    assert "'10.0.0.0/33' is no address" in refuses(doors.put, "deny", ["10.0.0.0/8", "10.0.0.0/33"])
    assert "did you mean 10.0.0.0/8?" in refuses(doors.put, "allow", ["10.0.0.1/8"])
    for until in (None, now, now - 1, now + 40 * 366 * 86400, float("nan"), float("inf")):
        assert "a ban ends after now" in refuses(doors.put, "ban", ["10.0.0.1"], until=until)
    for reason in ("x" * 201, "two\nlines"):
        assert "a reason has up to 200" in refuses(doors.put, "ban", ["10.0.0.1"], until=now + 900, reason=reason)
    assert "is none of off, blacklist" in refuses(doors.set_mode, "greylist")
    assert "10.0.0.0/8 is not on a list" in refuses(doors.remove, ["10.0.0.0/8"])
    doors.put(store, "deny", ["10.0.0.0/8"])
    assert "did you mean '10.0.0.0/8'" in refuses(doors.remove, ["10.0.0.0/9", "10.0.0.0/8"])
    assert "is not banned" in refuses(doors.remove, ["10.0.0.0/8"], ("ban",))
    found = doors.now(store)
    assert (found.deny.texts, found.allow.texts, found.bans, found.mode) == (("10.0.0.0/8",), (), {}, "off")


def test_there_is_an_end_to_lists(store: Store, refuses: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MOST", 3)
    doors.put(store, "deny", ["10.0.0.1", "10.0.0.2"])
    assert "at most 3 networks" in refuses(doors.put, "allow", ["10.0.0.1", "10.0.0.2"])
    assert doors.now(store).allow.texts == ()


def test_trusted_proxies_are_a_setting(store: Store) -> None:
    assert not doors.now(store).trusted
    settings.put(store, "trusted_proxies", "127.0.0.1, 10.0.0.0/8")
    assert doors.now(store).trusted.texts == ("127.0.0.1/32", "10.0.0.0/8")
    settings.unset(store, "trusted_proxies")
    assert not doors.now(store).trusted


def test_the_modes_are_those_that_people_know() -> None:
    assert MODES == ("off", "blacklist", "whitelist", "whitelist-priority")
