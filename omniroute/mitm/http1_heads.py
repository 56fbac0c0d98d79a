"""Make mitmproxy's messages of HTTP/1 heads that were checked by `http1_syntax`.

mitmproxy's parser would check every line again, and its constructors the type of every attribute.

Relied on: `http.Request.data` and `http.Response.data`, with the attributes that the constructors take, and
`http.Headers.fields`.
"""

import time

from mitmproxy import http
from mitmproxy.net.http import http1

from omniroute.mitm.http1_syntax import split_lines

MAX_DIGITS = 18
"""Digits of a body's length that are read here; mitmproxy decides about longer ones."""

_REQUEST = http.Request("", 0, b"", b"", b"", b"", b"HTTP/1.1", (), None, None, 0.0, None)
_RESPONSE = http.Response(b"HTTP/1.1", 200, b"", (), None, None, 0.0, None)


def read_request(head: bytes) -> tuple[http.Request, int | None]:
    """Parse a request head into a request and the size of its body: None for chunked. Raises ValueError."""
    lines = split_lines(head)
    method, target, version = lines[0].split(b" ")
    if target[0] != 0x2F:  # not the origin form
        request = http1.read_request_head(lines)
        return request, http1.expected_http_body_size(request)
    request = _fill(http.Request.__new__(http.Request), _REQUEST)
    request.headers, size = _read_fields(lines)
    data = request.data
    data.method, data.path, data.http_version = method, target, version
    return request, http1.expected_http_body_size(request) if size is None else size


def read_response(head: bytes) -> http.Response:
    """Parse a response head."""
    lines = split_lines(head)
    response = _fill(http.Response.__new__(http.Response), _RESPONSE)
    response.headers, _ = _read_fields(lines)
    first, data = lines[0].split(None, 2), response.data
    data.http_version, data.status_code = first[0], int(first[1])
    data.reason = first[2] if len(first) == 3 else b""
    return response


def body_size(request: http.Request, response: http.Response) -> int | None:
    """Return the size of a response's body: None for chunked, -1 for all until the end. Raises ValueError."""
    if response.data.status_code == 200 and request.data.method not in (b"HEAD", b"CONNECT"):
        size = _declared(response.headers.fields)
        if size is not None:
            return size
    return http1.expected_http_body_size(request, response)


def _fill[M: (http.Request, http.Response)](message: M, template: M) -> M:
    message.data = data = type(template.data).__new__(type(template.data))
    vars(data).update(vars(template.data))
    data.timestamp_start = time.time()
    return message


def _read_fields(lines: list[bytes]) -> tuple[http.Headers, int | None]:
    """Split header lines, and return the size of the body where one field alone says it."""
    split = [line.partition(b":") for line in lines[1:]]
    headers = http.Headers.__new__(http.Headers)
    headers.fields = fields = tuple([(name, value.strip()) for name, _, value in split])
    return headers, _declared(fields)


def _declared(fields: tuple[tuple[bytes, bytes], ...]) -> int | None:
    """Return the value of the one `Content-Length` where there is no `Transfer-Encoding`; None for all else."""
    found: bytes | None = None
    for name, value in fields:
        if len(name) == 14 and name.lower() == b"content-length":
            if found is not None:
                return None
            found = value
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            return None
    return int(found) if found and found.isdigit() and len(found) <= MAX_DIGITS else None
