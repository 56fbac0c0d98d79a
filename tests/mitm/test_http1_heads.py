"""Heads that were checked are read as mitmproxy reads them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.net.http import http1

from omniroute.mitm.http1_heads import body_size, read_request, read_response
from omniroute.mitm.http1_syntax import check_request_head, check_response_head, split_lines

NAMES = st.sampled_from([b"host", b"Content-Length", b"content-length", b"Transfer-Encoding", b"x-a", b"accept"])
VALUES = st.sampled_from([
    b"", b" 0", b"12", b" 12\t", b"+5", b"-1", b"5, 5", b"0x10", b"1" * 18, b"1" * 19, b"9" * 4400, b"chunked",
    b" gzip, chunked", b"gzip", b"identity", b"\xb2", b" a b ", b"\xe9",
])  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\n"])
TARGETS = st.sampled_from([b"/", b"/v1/x?a=%20", b"//a", b"*", b"http://a:8/b", b"HTTPS://a", b"a:1", b"?", b"\xe9"])
STATUSES = st.sampled_from([b"200", b"201", b"204", b"304", b"101", b"404", b"999"])
REASONS = st.sampled_from([b"", b" ", b" OK", b" Not  Found ", b" \xe9t\xe9"])
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"M-SEARCH"])


@st.composite
def fields(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.tuples(NAMES, VALUES, ENDS), max_size=6))
    return b"".join([name + b":" + value + end for name, value, end in lines]) + draw(ENDS)


def state(message: http.Request | http.Response) -> Any:
    return message.data.get_state() | {"timestamp_start": None}


def attempt[T](call: Any, *values: Any) -> T | str:
    """Return what a call gives, or that it raised ValueError."""
    try:
        return call(*values)  # type: ignore[no-any-return]
    except ValueError:
        return "invalid"


@given(METHODS, TARGETS, st.sampled_from([b"1.0", b"1.1"]), ENDS, fields())
def test_a_request_is_read_as_mitmproxy_reads_it(
    method: bytes, target: bytes, version: bytes, end: bytes, rest: bytes
) -> None:
    head = method + b" " + target + b" HTTP/" + version + end + rest
    if b"host" in rest and rest.count(b"host:") > 1:
        return
    check_request_head(head)
    expected: http.Request | str = attempt(http1.read_request_head, split_lines(head))
    size: Any = "invalid" if isinstance(expected, str) else attempt(http1.expected_http_body_size, expected)
    read: tuple[http.Request, int | None] | str = attempt(read_request, head)
    if size == "invalid":
        assert read == "invalid"
        return
    assert isinstance(expected, http.Request)
    assert not isinstance(read, str)
    assert state(read[0]) == state(expected)
    assert read[1] == size
    assert read[0].timestamp_start > 1e9


@given(METHODS, STATUSES, REASONS, ENDS, fields())
def test_a_response_is_read_as_mitmproxy_reads_it(
    method: bytes, status: bytes, reason: bytes, end: bytes, rest: bytes
) -> None:
    head = b"HTTP/1.1 " + status + reason + end + rest
    check_response_head(head)
    request = http.Request.make(method.decode(), "http://a/")
    expected = http1.read_response_head(split_lines(head))
    read = read_response(head)
    assert state(read) == state(expected)
    wanted: Any = attempt(http1.expected_http_body_size, request, expected)
    assert attempt(body_size, request, read) == wanted


def test_messages_share_no_state() -> None:
    one, _ = read_request(b"GET /a HTTP/1.1\r\nx: 1\r\n\r\n")
    one.headers["y"] = "2"
    one.text = "body"
    other, _ = read_request(b"GET /b HTTP/1.0\r\n\r\n")
    assert (other.path, other.http_version, other.headers.fields, other.raw_content) == ("/b", "HTTP/1.0", (), None)
    with pytest.raises(ValueError, match="request line"):
        read_request(b"GET http:/a HTTP/1.1\r\n\r\n")
