"""When the environment's proxy is used, and what NO_PROXY keeps from it."""

import ipaddress

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.env import InvalidEnvironment
from omniroute.netproxy.env_proxies import is_here, no_proxy, read_environment

LABELS = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join).filter(lambda name: not name.endswith("localhost"))
PORTS = st.integers(1, 65535)
IPV4 = st.ip_addresses(v=4)
IPV6 = st.ip_addresses(v=6)


def exempt(said: str, host: str, port: int = 443) -> bool:
    return any(rule(host, port) for rule in no_proxy(said))


@given(name=NAMES, below=LABELS, port=PORTS)
def test_a_name_stands_for_itself_and_all_below_it(name: str, below: str, port: int) -> None:
    for said in (name, f".{name}", f"*.{name}", name.upper(), f"{name}."):
        assert exempt(said, name, port)
        assert exempt(said, f"{below}.{name}", port)
        assert exempt(said, f"{below}.{name}.".upper(), port)
        assert not exempt(said, f"{below}{name}", port) or f"{below}{name}".endswith(f".{name}")
        assert not exempt(said, f"{name}.{below}x", port)


@given(name=NAMES, port=PORTS, other=PORTS)
def test_a_port_narrows_it(name: str, port: int, other: int) -> None:
    assert exempt(f"{name}:{port}", name, port)
    assert exempt(f"{name}:{port}", name, other) == (port == other)


@given(address=st.one_of(IPV4, IPV6), port=PORTS, other=st.one_of(IPV4, IPV6))
def test_an_address(address: ipaddress.IPv4Address, port: int, other: ipaddress.IPv4Address) -> None:
    assert exempt(str(address), str(address), port)
    bracketed = f"[{address}]" if address.version == 6 else str(address)
    assert exempt(bracketed, str(address), port)
    assert exempt(f"{bracketed}:{port}", str(address), port)
    assert not exempt(f"{bracketed}:{port}", str(address), port % 65535 + 1)
    if address != other and not getattr(other, "ipv4_mapped", None) and not getattr(address, "ipv4_mapped", None):
        assert not exempt(str(address), str(other), port)


@given(address=st.one_of(IPV4, IPV6), data=st.data())
def test_a_network(address: ipaddress.IPv4Address, data: st.DataObject) -> None:
    bits = data.draw(st.integers(0, address.max_prefixlen))
    other = data.draw(IPV4 if address.version == 4 else IPV6)
    if getattr(address, "ipv4_mapped", None) or getattr(other, "ipv4_mapped", None):
        return
    network = ipaddress.ip_network(f"{address}/{bits}", strict=False)
    assert exempt(f"{address}/{bits}", str(address))
    assert exempt(str(network), str(other)) == (other in network)
    assert not exempt(str(network), "some.name")


@given(hosts=st.lists(NAMES, max_size=4), name=NAMES, between=st.sampled_from([",", ", ", " ", " ,\t"]))
def test_each_of_a_list_counts(hosts: list[str], name: str, between: str) -> None:
    assert exempt(between.join([*hosts, name]), name)
    assert exempt(between.join(hosts), name) == any(exempt(host, name) for host in hosts)


@given(name=NAMES, port=PORTS)
def test_a_star_is_everything_and_nothing_is_nothing(name: str, port: int) -> None:
    assert exempt("*", name, port)
    assert exempt("x.y,*", name, port)
    for said in ("", " , ", ".", "*."):
        assert not exempt(said, name, port)


@given(st.text(max_size=30), NAMES)
def test_no_text_breaks_it(said: str, name: str) -> None:
    exempt(said, name)


def test_an_ipv4_address_written_as_ipv6_is_the_same_place() -> None:
    assert exempt("10.0.0.0/8", "::ffff:10.1.2.3")
    assert exempt("::ffff:10.1.2.3", "10.1.2.3")
    assert not exempt("10.0.0.0/40", "10.0.0.1")


@every("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"])
def test_this_machine_is_reached_directly_whatever_is_said(host: str) -> None:
    assert is_here(host)
    found = read_environment({"ALL_PROXY": "http://proxy:1"})
    assert found.proxy_for("http", host, 80) is None
    assert found.proxy_for("https", host, 443) is None


@pytest.mark.parametrize("host", ["notlocalhost", "localhost.example", "10.0.0.1", "128.0.0.1", "::2"])
def test_what_is_not_this_machine(host: str) -> None:
    assert not is_here(host)


@every(
    ("environ", "https", "http"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1", None),
        ({"HTTP_PROXY": "http://a:1"}, None, "http://a:1"),
        ({"ALL_PROXY": "socks5://a:1"}, "socks5://a:1", "socks5://a:1"),
        ({"ALL_PROXY": "socks5://a:1", "HTTPS_PROXY": "b:2"}, "http://b:2", "socks5://a:1"),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:2"}, "http://b:2", None),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "", "ALL_PROXY": "http://c:3"}, None, "http://c:3"),
        ({"HTTPS_PROXY": "", "all_proxy": "http://c:3"}, "http://c:3", "http://c:3"),
    ],
)
def test_which_variable_counts(environ: dict[str, str], https: str | None, http: str | None) -> None:
    found = read_environment(environ)
    assert (str(found.https or ""), str(found.http or "")) == (https or "", http or "")


def test_the_variable_that_said_it_is_named() -> None:
    found = read_environment({"all_proxy": "http://u:p@a:1", "HTTPS_PROXY": "http://b:2", "NO_PROXY": "x.example"})
    assert [found.proxy_for(scheme, "y.example", 1) for scheme in ("https", "http")] == [
        (found.https, "HTTPS_PROXY"),
        (found.http, "all_proxy"),
    ]
    assert found.proxy_for("https", "x.example", 1) is None


def test_nonsense_is_refused_by_the_variables_name() -> None:
    with pytest.raises(
        InvalidEnvironment, match=r"^https_proxy cannot be used: the proxy's URL has the scheme 'socks4'"
    ):
        read_environment({"https_proxy": "socks4://a:1"})
    with pytest.raises(InvalidEnvironment) as refused:
        read_environment({"ALL_PROXY": "http://u:Okapi9mN@a:0"})
    assert "Okapi" not in str(refused.value)
    assert read_environment({"FTP_PROXY": "nonsense://"}).https is None
