"""Lists of networks: kept, refused, and never to the harm of who changes them by mistake."""

from collections.abc import Callable

import pytest

from omniroute.access.ip_filter import MODES, Ban
from omniroute.store.config import ip_filter, settings, snapshot
from omniroute.store.db.database import Store


def test_lists_are_kept_in_their_usual_form(store: Store) -> None:
    assert ip_filter.put(store, "deny", ["203.0.113.7/32", "::ffff:10.0.0.0/104", " 2001:DB8::/32"]) == [
        *("203.0.113.7", "10.0.0.0/8", "2001:db8::/32")
    ]
    ip_filter.put(store, "allow", ["10.0.0.0/8"])
    ip_filter.put(store, "deny", ["10.0.0.0/8"])
    found = snapshot.load(store).doors
    assert set(found.deny.texts) == {"203.0.113.7", "10.0.0.0/8", "2001:db8::/32"}
    assert found.allow.texts == ("10.0.0.0/8",)
    assert found.mode == "off"
    assert ip_filter.remove(store, ["10.0.0.0/8"]) == ["10.0.0.0/8"]
    found = ip_filter.now(store)
    assert (found.allow.texts, len(found.deny.texts)) == ((), 2)


def test_each_change_is_noticed(store: Store) -> None:
    seen = [store.revision()]
    for change in (
        lambda: ip_filter.put(store, "deny", ["10.0.0.0/8"]),
        lambda: ip_filter.set_mode(store, "blacklist"),
        lambda: ip_filter.put(store, "ban", ["10.0.0.1"], until=store.clock() + 900),
        lambda: ip_filter.remove(store, ["10.0.0.1"], ("ban",)),
        lambda: ip_filter.remove(store, ["10.0.0.0/8"]),
        lambda: ip_filter.set_mode(store, "off"),
    ):
        change()
        seen.append(store.revision())
    assert seen == sorted(set(seen))


def test_bans_end_by_themselves(store: Store) -> None:
    now = store.clock()
    ip_filter.put(store, "ban", ["203.0.113.7"], until=now + 60, reason="noise")
    found = ip_filter.now(store)
    assert found.bans == {"203.0.113.7": Ban(now + 60, "noise")}
    assert found.refusal("203.0.113.7", now + 59)
    assert found.refusal("203.0.113.7", now + 60) is None
    ip_filter.put(store, "ban", ["203.0.113.7"], until=now + 90)
    assert ip_filter.now(store).bans["203.0.113.7"].until == now + 90, "a further ban takes the place of the first"


@pytest.mark.parametrize("caller", ["203.0.113.7", "127.0.0.1", "::1"])
def test_nobody_locks_himself_or_this_machine_out(store: Store, refuses: Callable[..., str], caller: str) -> None:
    whom = {"caller": (caller,)}
    until = store.clock() + 900
    assert f"this would keep out {caller}" in refuses(ip_filter.put, "ban", [caller], until=until, **whom)
    assert "this would keep out" in refuses(ip_filter.set_mode, "whitelist", **whom)
    ip_filter.put(store, "deny", [caller], **whom)  # the lists do not act yet
    assert f"this would keep out {caller}" in refuses(ip_filter.set_mode, "blacklist", **whom)
    assert ip_filter.now(store).mode == "off"
    ip_filter.put(store, "allow", [caller, "127.0.0.1", "::1"], **whom)
    ip_filter.set_mode(store, "whitelist-priority", **whom)
    assert f"this would keep out {caller}" in refuses(ip_filter.remove, [caller], ("allow",), **whom)
    ip_filter.set_mode(store, "whitelist", **whom)
    assert "this would keep out" in refuses(ip_filter.remove, [caller, "127.0.0.1", "::1"], ("allow",), **whom)
    assert caller in ip_filter.now(store).allow.texts, "nothing was changed"
    ip_filter.set_mode(store, "blacklist", force=True, **whom)
    assert ip_filter.now(store).refusal(caller, store.clock())
    ip_filter.put(store, "deny", ["198.51.100.1"], **whom)  # who is out already may go on
    ip_filter.remove(store, [caller], **whom)
    assert ip_filter.now(store).refusal(caller, store.clock()) is None


def test_nonsense_is_refused_whole(store: Store, refuses: Callable[..., str]) -> None:
    now = store.clock()
    assert "'10.0.0.0/33' is no address" in refuses(ip_filter.put, "deny", ["10.0.0.0/8", "10.0.0.0/33"])
    assert "did you mean 10.0.0.0/8?" in refuses(ip_filter.put, "allow", ["10.0.0.1/8"])
    for until in (None, now, now - 1, now + 40 * 366 * 86400, float("nan"), float("inf")):
        assert "a ban ends after now" in refuses(ip_filter.put, "ban", ["10.0.0.1"], until=until)
    for reason in ("x" * 201, "two\nlines"):
        assert "a reason has up to 200" in refuses(ip_filter.put, "ban", ["10.0.0.1"], until=now + 900, reason=reason)
    assert "is none of off, blacklist" in refuses(ip_filter.set_mode, "greylist")
    assert "10.0.0.0/8 is not on a list" in refuses(ip_filter.remove, ["10.0.0.0/8"])
    ip_filter.put(store, "deny", ["10.0.0.0/8"])
    assert "did you mean '10.0.0.0/8'" in refuses(ip_filter.remove, ["10.0.0.0/9", "10.0.0.0/8"])
    assert "is not banned" in refuses(ip_filter.remove, ["10.0.0.0/8"], ("ban",))
    found = ip_filter.now(store)
    assert (found.deny.texts, found.allow.texts, found.bans, found.mode) == (("10.0.0.0/8",), (), {}, "off")


def test_there_is_an_end_to_lists(store: Store, refuses: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ip_filter, "MOST", 3)
    ip_filter.put(store, "deny", ["10.0.0.1", "10.0.0.2"])
    assert "at most 3 networks" in refuses(ip_filter.put, "allow", ["10.0.0.1", "10.0.0.2"])
    assert ip_filter.now(store).allow.texts == ()


def test_trusted_proxies_are_a_setting(store: Store) -> None:
    assert not ip_filter.now(store).trusted
    settings.put(store, "trusted_proxies", "127.0.0.1, 10.0.0.0/8")
    assert ip_filter.now(store).trusted.texts == ("127.0.0.1/32", "10.0.0.0/8")
    settings.unset(store, "trusted_proxies")
    assert not ip_filter.now(store).trusted


def test_the_modes_are_those_that_people_know() -> None:
    assert MODES == ("off", "blacklist", "whitelist", "whitelist-priority")
