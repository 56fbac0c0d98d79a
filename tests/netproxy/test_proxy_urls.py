"""What a network proxy's URL may be, and that nothing ever repeats what opens it."""

import base64
from urllib.parse import quote

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.netproxy.proxy_url import SCHEMES, Proxy, Scheme, read_proxy

WORDS = st.text(st.characters(min_codepoint=33, exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


@every(
    ("text", "shown"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP://Proxy.Example:3128/", "http://proxy.example:3128"),
        ("https://proxy.example", "https://proxy.example:443"),
        ("http://proxy", "http://proxy:80"),
        ("socks5://10.0.0.1", "socks5://10.0.0.1:1080"),
        ("socks5h://[fe80::1]:9", "socks5h://[fe80::1]:9"),
        ("http://u:p@proxy:1", "http://proxy:1"),
    ],
)
def test_what_is_taken(text: str, shown: str) -> None:
    assert str(read_proxy(text)) == shown


@every(
    ("text", "says"),
    [
        ("", "is empty"),
        ("proxy.example:3128", "has no scheme"),
        ("://proxy", "scheme ''"),
        ("socks4://proxy:1080", "scheme 'socks4': it takes http://, https://, socks5:// or socks5h://"),
        ("http://", "names no host"),
        ("http://:3128", "names no host"),
        ("http://u:secret-word@", "names no host"),
        ("http://pro xy:1", "spaces"),
        ("http://proxy:1\r\n", "spaces"),
        ("http://prøxy:1", "plain ASCII"),
        ("http://proxy:0", "1 to 65535"),
        ("http://proxy:65536", "1 to 65535"),
        ("http://proxy:-1", "1 to 65535"),
        ("http://proxy:", "1 to 65535"),
        ("http://user:secret-word", "1 to 65535"),
        ("http://proxy:1/path", "no path"),
        ("http://proxy:1?secret-word", "no path"),
        ("http://proxy:1#", "no path"),
        ("http://pro|xy:1", "neither a name nor an address"),
        ("http://-proxy:1", "neither a name nor an address"),
        ("http://[fe80::zz]:1", "cannot be read"),
        ("http://@proxy:1", "no user"),
        ("http://:secret-word@proxy:1", "no user"),
        ("http://u:secret-word/x@proxy:1", "%2F"),
        ("http://u:secret-word#x@proxy:1", "%23"),
        ("http://u:secret-word@x@proxy:1", "%40"),
        ("http://u:secret-word:x@proxy:1", "%3A"),
        ("http://u:secret-word%zz@proxy:1", "%25"),
        ("http://u:secret-word%0d@proxy:1", "control character"),
        ("http://u:secret-word%ff@proxy:1", "UTF-8"),
        ("http://u%3a:secret-word@proxy:1", "':'"),
        (f"http://u:{'secret-word' * 30}@proxy:1", "longer than 255 bytes"),
        ("secret-word@proxy://proxy", "has no scheme"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^the proxy's ") as refused:
        read_proxy(text)
    assert says in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_a_scheme_may_be_left_out_where_one_is_given() -> None:
    assert read_proxy("proxy:3128", scheme="http") == Proxy("http", "proxy", 3128)
    assert str(read_proxy("socks5://proxy", scheme="http")) == "socks5://proxy:1080"


@given(user=WORDS, password=WORDS, scheme=st.sampled_from(SCHEMES))
def test_any_user_and_password_can_be_said(user: str, password: str, scheme: Scheme) -> None:
    if ":" in user:
        user = user.replace(":", "") or "u"
    if max(len(user.encode()), len(password.encode())) > 255:
        return
    proxy = read_proxy(f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@proxy:1")
    assert (proxy.user, proxy.password, proxy.locked) == (user, password, True)
    assert proxy.bare().locked_with(proxy.credential) == proxy
    assert base64.b64decode(str(proxy.authorization).removeprefix("Basic ")).decode() == f"{user}:{password}"


def test_no_text_of_a_proxy_holds_what_opens_it() -> None:
    proxy = read_proxy("http://Quagga7f3K:Okapi%2F9mN3b@proxy:1")
    for shown in (str(proxy), repr(proxy), proxy.masked, f"{proxy}", repr([proxy])):
        assert not any(secret in shown for secret in ("Quagga", "Okapi"))
    assert proxy.masked == "http://••••:••••@proxy:1"
    assert read_proxy("http://proxy:1").masked == "http://proxy:1"
    assert {"Quagga7f3K", "Okapi/9mN3b", "Quagga7f3K:Okapi%2F9mN3b"} < set(proxy.secrets)
    assert proxy != proxy.bare()
