"""Who may come in: the modes, the lists and bans."""

from ipaddress import ip_address, ip_network

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.access.client_address import ClientAddress, networks
from omniroute.access.ip_filter import MODES, Ban, IpFilter, check
from omniroute.errors import Forbidden

ALLOW, DENY = networks("10.0.0.0/8", "2001:db8::/32"), networks("10.1.0.0/16", "203.0.113.0/24")
WHO = {"both": "10.1.2.3", "allowed": "10.2.0.1", "denied": "203.0.113.7", "neither": "198.51.100.1"}
COMES_IN = {
    "off": {"both", "allowed", "denied", "neither"},
    "blacklist": {"allowed", "neither"},
    "whitelist": {"both", "allowed"},
    "whitelist-priority": {"both", "allowed", "neither"},
}


@every("mode", MODES)
@every("who", WHO)
def test_the_modes(mode: str, who: str) -> None:
    doors = IpFilter(mode, ALLOW, DENY)
    assert (doors.refusal(WHO[who], 0.0) is None) == (who in COMES_IN[mode])
    assert doors.refusal(f"::ffff:{WHO[who]}", 0.0) == doors.refusal(WHO[who], 0.0)


def test_bans_act_in_every_mode_until_they_are_over() -> None:
    bans = {"10.2.0.0/16": Ban(100.0, "noise"), "10.0.0.0/8": Ban(50.0)}
    for mode in MODES:
        doors = IpFilter(mode, ALLOW, DENY, bans, networks(*bans))
        assert doors.refusal(WHO["allowed"], 0.0) == "it is banned for another 100 s"
        assert doors.refusal(WHO["allowed"], 99.0) == "it is banned for another 1 s"
        assert doors.refusal(WHO["allowed"], 100.0) is None
        assert doors.refusal("10.3.0.1", 49.0)
        assert doors.refusal("10.3.0.1", 50.0) is None


def test_who_has_no_address_stays_outside_where_addresses_count() -> None:
    assert IpFilter().refusal("unknown", 0.0) is None
    for mode in MODES[1:]:
        assert IpFilter(mode).refusal("unknown", 0.0)


@given(
    st.sampled_from(MODES),
    st.lists(st.integers(0, 32), max_size=5),
    st.lists(st.integers(0, 32), max_size=5),
    st.ip_addresses(v=4),
    st.ip_addresses(v=4),
)
def test_the_standard_library_agrees(mode: str, allow: list[int], deny: list[int], base: object, who: object) -> None:
    allowed = [str(ip_network(f"{base}/{size}", strict=False)) for size in allow]
    denied = [str(ip_network(f"{base}/{size}", strict=False)) for size in deny]
    inside = any(ip_address(str(who)) in ip_network(each) for each in allowed)
    outside = any(ip_address(str(who)) in ip_network(each) for each in denied)
    judged = {
        "off": True,
        "blacklist": not outside,
        "whitelist": inside,
        "whitelist-priority": inside or not outside,
    }
    doors = IpFilter(mode, networks(*allowed), networks(*denied))
    assert (doors.refusal(str(who), 0.0) is None) == judged[mode]


def test_entering() -> None:
    doors = IpFilter("blacklist", deny=DENY, trusted=networks("127.0.0.1"))
    assert check("198.51.100.1", (), doors, 0.0) == ClientAddress("198.51.100.1")
    with pytest.raises(Forbidden, match=r"^203\.0\.113\.7 may not use this gateway"):
        check("203.0.113.7", (), doors, 0.0)
    with pytest.raises(Forbidden, match=r"^203\.0\.113\.7 may not use this gateway"):
        check("127.0.0.1", ((b"X-Forwarded-For", b"198.51.100.1, 203.0.113.7"),), doors, 0.0)
    assert check("198.51.100.1", ((b"X-Forwarded-For", b"203.0.113.7"),), doors, 0.0).proxied
