"""`omniroute-ctl ip …`."""

from pathlib import Path

from cases import every

from omniroute.access.ip_filter import MODES


def test_addresses_from_first_to_last(ctl, as_json, refused) -> None:
    assert as_json("ip", "list") == {"mode": "off", "allow": [], "deny": [], "bans": []}
    assert "Mode off: the lists keep nobody out." in ctl("ip", "list").stdout
    said = ctl("ip", "deny", "203.0.113.7", "198.51.100.0/24").stdout
    assert said == "Denied 203.0.113.7, 198.51.100.0/24. The lists do not act: omniroute-ctl ip mode blacklist\n"
    assert ctl("ip", "mode", "blacklist").stdout == "From now on who is denied is kept out.\n"
    assert ctl("ip", "allow", "127.0.0.0/8", "::1").stdout == "Allowed 127.0.0.0/8, ::1.\n"
    shown = as_json("ip", "mode", "whitelist-priority")
    assert shown["mode"] == "whitelist-priority"
    assert sorted(shown["deny"]) == ["198.51.100.0/24", "203.0.113.7"]
    [banned] = as_json("ip", "ban", "203.0.113.9", "--for", "2h", "--reason", "noise")["bans"]
    assert (banned["ip"], banned["reason"]) == ("203.0.113.9", "noise")
    assert 7_100_000 < banned["remaining_ms"] <= 7_200_000
    assert "noise" in ctl("ip", "list").stdout
    assert ctl("ip", "unban", "203.0.113.9").stdout == "203.0.113.9: banned no more.\n"
    ctl("ip", "remove", "203.0.113.7")
    assert as_json("ip", "list")["deny"] == ["198.51.100.0/24"]
    for mode in MODES:
        assert as_json("ip", "mode", mode)["mode"] == mode


def test_this_machine_is_not_locked_out_by_mistake(ctl, as_json, refused) -> None:
    before = as_json("ip", "list")
    assert "this would keep out 127.0.0.1" in refused("ip", "mode", "whitelist")
    assert "this would keep out ::1, which is this machine" in refused("ip", "ban", "::/0")
    assert "say --force" in refused("ip", "ban", "127.0.0.0/8")
    assert as_json("ip", "list") == before
    ctl("ip", "mode", "whitelist", "--force")
    assert as_json("ip", "list")["mode"] == "whitelist"


@every(
    ("words", "code", "says"),
    [
        (("deny", "10.0.0.0/33"), 1, "'10.0.0.0/33' is no address and no network"),
        (("deny", "10.0.0.1/8"), 1, "did you mean 10.0.0.0/8?"),
        (("allow",), 2, "say an address or a network"),
        (("mode", "greylist"), 2, "greylist"),
        (("ban", "203.0.113.7", "--for", "soon"), 2, "is no length of time"),
        (("ban", "203.0.113.7", "--for", "-1h"), 2, "is no length of time"),
        (("ban", "203.0.113.7", "--for", "999999w"), 1, "a ban ends"),
        (("remove", "203.0.113.7"), 1, "203.0.113.7 is not on a list"),
        (("unban", "203.0.113.7"), 1, "203.0.113.7 is not banned"),
    ],
)
def test_bad_input(refused, as_json, words: tuple[str, ...], code: int, says: str) -> None:
    assert says in refused("ip", *words, code=code)
    assert as_json("ip", "list") == {"mode": "off", "allow": [], "deny": [], "bans": []}


def test_many_come_from_a_file(ctl, as_json, tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("# a list\n" + "\n".join(f"10.0.{n}.0/24  # number {n}" for n in range(100)), encoding="utf-8")
    assert "10.0.4.0/24 and 95 more" in ctl("ip", "deny", "--file", str(listed)).stdout
    assert len(as_json("ip", "list")["deny"]) == 100


def test_trusted_proxies(ctl, refused) -> None:
    assert "takes networks with commas between them" in refused("settings", "set", "trusted_proxies", "10.0.0.0/99")
    ctl("settings", "set", "trusted_proxies", "127.0.0.1,::1")
    assert ctl("settings", "get", "trusted_proxies").stdout == "127.0.0.1/32,::1/128\n"
