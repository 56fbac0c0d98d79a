"""What network proxies answer, proxy URLs, and what clients put into addresses and URLs."""

from urllib.parse import unquote_plus

import orjson
from fuzz_kit import fuzz
from mutate import Mutator, dump

from omniroute.access.client_address import networks, read_network, resolve_client, source_of
from omniroute.access.url_keys import MARK, clean
from omniroute.env import InvalidEnvironment
from omniroute.errors import BadRequest
from omniroute.netproxy.env_proxies import no_proxy
from omniroute.netproxy.http_connect import MAX_HEAD, Handshake, HttpConnect, TunnelRefused
from omniroute.netproxy.proxy_url import read_proxy
from omniroute.netproxy.socks5 import Socks5

PASSWORD = "proxy-password-77"
PROXY = read_proxy(f"socks5://user:{PASSWORD}@127.0.0.1:1080")
ANSWERS = {
    "connect": (
        b"HTTP/1.1 200 Connection established\r\nVia: 1.1 a\r\n\r\n",
        b"HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nhello",
    ),
    "socks5": (
        b"\x05\x02\x01\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90",
        b"\x05\x00\x05\x00\x00\x03\x09localhost\x1f\x90",
        b"\x05\x02\x01\x00\x05\x05\x00\x04" + bytes(18),
    ),
}
TEXTS = {
    "url": (b"http://user:p%40ss@proxy.example:3128", b"socks5h://[2001:db8::1]:1080", b"https://a", b"direct"),
    "no_proxy": (b"localhost,.example.com,10.0.0.0/8,[2001:db8::1]:8443,*", b"*.a:80 b"),
    "address": (b"10.0.0.0/8", b"::ffff:10.0.0.1", b"fe80::1%eth0", b"2001:db8::/32"),
    "forwarded": (
        b'{"x-forwarded-for": "1.2.3.4, 10.0.0.1", "via": "1.1 a"}',
        b'{"forwarded": "for=\\"[2001:db8::1]:80\\";proto=https, for=10.0.0.1"}',
    ),
    "query": (b"key=sk-omni-abc&a=b", b"a=1;api%5Fkey=sk-omni-x&%6Bey=y", b"x=sk%2Domni%252Dz&beta=true"),
}
WORDS = (
    b"HTTP/1.1 ",
    b"\r\n\r\n",
    b"\x05",
    b"\x05\x00",
    b"[",
    b"]",
    b"%",
    b"%25",
    b"://",
    b"@",
    b":",
    b"sk-omni-",
    b'"',
)
TRUSTED = networks("10.0.0.0/8")


def make(mutator: Mutator) -> bytes:
    """Make a line that says what is read, and the bytes behind it."""
    kind = mutator.pick(list(ANSWERS | TEXTS))
    samples = (ANSWERS | TEXTS)[kind]
    data = mutator.bytes_of(mutator.pick(samples), samples, words=WORDS)
    return dump({"kind": kind, "seed": mutator.random.randrange(1 << 30)}) + b"\n" + data


def check(data: bytes) -> None:
    first, _, data = data.partition(b"\n")
    how = orjson.loads(first)
    text = data.decode("latin-1")
    match how["kind"]:
        case "connect" | "socks5" as kind:
            check_handshake(kind, Mutator(how["seed"]).cuts(data))
        case "url" | "no_proxy" as kind:
            try:
                (read_proxy if kind == "url" else no_proxy)(text)
            except (ValueError, InvalidEnvironment) as error:
                assert len(str(error)) < 4096
        case "address":
            source_of(text)
            try:
                read_network(text)
            except ValueError as error:
                assert len(str(error)) < 4096
        case "forwarded":
            check_forwarded(data)
        case _:
            check_query(text)


def check_handshake(kind: str, pieces: list[bytes]) -> None:
    """Feed an answer to its end: a tunnel, a refusal, or a wait for more of at most `MAX_HEAD` bytes."""
    handshake: Handshake = (HttpConnect if kind == "connect" else Socks5)(PROXY, "api.example.org", 443)
    handshake.start()
    fed = said = 0
    for piece in pieces:
        fed += len(piece)
        try:
            said += len(handshake.feed(piece))
        except TunnelRefused as refused:
            assert PASSWORD not in str(refused)
            assert len(str(refused)) < 1024
            return
        if handshake.done:
            return
    assert fed <= MAX_HEAD + 4, "an answer without an end is refused"
    assert said < 4096


def check_forwarded(data: bytes) -> None:
    try:
        read = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    if not isinstance(read, dict):
        return
    fields = [(str(k).lower().encode("utf-8"), str(v).encode("utf-8")) for k, v in read.items()]
    try:
        assert resolve_client("10.0.0.2", fields, TRUSTED).address
    except BadRequest as refused:
        assert len(refused.message) < 1024


def check_query(text: str) -> None:
    path, _, query = text.partition("?") if "?" in text else ("/v1/models", "", text)
    cleaned = clean(path, query)
    for left in (cleaned.path, cleaned.query, unquote_plus(cleaned.query)):
        assert MARK not in left.lower(), "no gateway key stays in a URL"
    again = clean(cleaned.path, cleaned.query)
    assert (again.path, again.query, again.misplaced) == (cleaned.path, cleaned.query, False)


def test_proxy_answers_addresses_and_urls() -> None:
    fuzz("netproxy", make, check)
