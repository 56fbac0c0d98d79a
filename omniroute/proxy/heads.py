"""Copies of requests and responses that may be changed."""

from copy import copy

from mitmproxy import http


def copy_head[M: (http.Request, http.Response)](message: M) -> M:
    """Copy a message without its body. Made of parts that were checked before, so nothing is checked again."""
    made = type(message).__new__(type(message))
    made.data = copy(message.data)
    made.headers = message.headers.copy()
    made.data.content = None
    return made
