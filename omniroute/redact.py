"""Takes secrets out of texts that people will see: the known ones exactly, others by their shape."""

import logging
import re
from collections.abc import Callable, Iterable

SHORTEST_SECRET = 8
"""A known secret below this is a placeholder such as `none`; masking it everywhere would ruin the text."""
SHORTEST_WITH_TAIL = 24
TAIL = 4

_TOKEN = r"[A-Za-z0-9._~+/=-]"
_MARKS = ("sk-", "gsk_", "xai-", "pplx-", "nvapi-", "csk-", "fw_", "hf_", "ghp_", "gho_", "ghu_", "AIza")
# Every branch begins with a literal and goes on with one greedy run, so a text is read in linear time. No run
# takes a bracket, so what was masked once is left alone; `Bearer` is never itself the value of a header.
_SHAPES = re.compile(
    rf"""
      (?<![A-Za-z0-9]) (?P<token> (?:{"|".join(_MARKS)}) [A-Za-z0-9_-]{{8,}} )
    | (?P<scheme> (?<![A-Za-z0-9]) (?:bearer|basic) [ ]{{1,4}} ) (?P<credential> {_TOKEN}{{6,}} )
    | (?P<header> (?:x-api-key|x-goog-api-key|authorization|api[-_]?key) ["']? [ ]{{0,4}} [:=] [ ]{{0,4}} ["']? )
      (?! (?:bearer|basic) [ ] ) (?P<value> {_TOKEN}{{6,}} )
    | (?P<query> [?&] (?:key|token|access_token) = ) (?P<argument> [^&\s"'<>\[\]\#]+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)


_WIRE = re.compile(r"""\bb(?:'(?:[^'\\]|\\.)*+(?:'|\\?\Z)|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))""", re.DOTALL)
"""Bytes as Python writes them."""


def mask(secret: str) -> str:
    """Stand in for a secret; of a long one the end stays, so that a person can tell which it was."""
    return f"[hidden:{secret[-TAIL:]}]" if len(secret) >= SHORTEST_WITH_TAIL else "[hidden]"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask the given secrets and everything that looks like one. Doing it twice changes nothing more."""
    for secret in sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, mask(secret))
    return _SHAPES.sub(_hide, text)


def _hide(match: re.Match[str]) -> str:
    found = match.groupdict(default="")
    kept = found["scheme"] + found["header"] + found["query"]
    return kept + mask(match[0][len(kept) :])


class RedactingFilter(logging.Filter):
    """Redacts the records of the handler that it is added to: message, exception and stack alike."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        super().__init__()
        self._secrets = secrets
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the texts of the record, which other handlers see too, and let it pass."""
        secrets = tuple(self._secrets())
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # Left as it is, logging would print the arguments, secrets and all, with its complaint.
            message = f"{record.msg} (the arguments do not fit)"
        if record.levelno <= logging.DEBUG and record.name.startswith("mitmproxy."):
            # What `proxy_debug` shows is cut where the network cut it, so a secret may be there in two halves.
            message = _WIRE.sub("b[hidden]", message)
        record.msg, record.args = redact(message, secrets), None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        record.exc_info = None  # or a formatter that ignores exc_text would write it anew
        if record.exc_text:
            record.exc_text = redact(record.exc_text, secrets)
        if record.stack_info:
            record.stack_info = redact(record.stack_info, secrets)
        return True
