from urllib.parse import urlsplit

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.endpoints import check_base_url, endpoint
from omniroute.catalog.providers import PROVIDERS, find, node

SPOKEN = [(row.id, dialect) for row in PROVIDERS for dialect in row.paths]
HOSTS = ["http://127.0.0.1:9999", "https://mirror.example", "http://[::1]:8080"]


def url(provider, dialect, base_url, model="m", *, stream=False) -> str:
    return endpoint(find(provider, ()), dialect, base_url=base_url, model=model, stream=stream)


def at_node(dialect, base_url, model="m", *, stream=False) -> str:
    return endpoint(node("box", dialect, base_url), dialect, base_url=None, model=model, stream=stream)


@every("host", HOSTS)
@every(("provider", "dialect"), SPOKEN)
def test_a_bare_host_stands_for_the_real_one(provider, dialect, host) -> None:
    real = urlsplit(url(provider, dialect, None))
    assert url(provider, dialect, host) == host + real.path


@every("host", HOSTS)
@every(("provider", "dialect"), SPOKEN)
def test_the_whole_endpoint_is_taken_as_it_is(provider, dialect, host) -> None:
    whole = url(provider, dialect, host)
    assert url(provider, dialect, whole) == whole


@every(("provider", "dialect"), SPOKEN)
def test_the_own_base_url_changes_nothing(provider, dialect) -> None:
    assert url(provider, dialect, find(provider, ()).base_url) == url(provider, dialect, None)


@every(
    ("provider", "dialect", "base_url", "wanted"),
    [
        ("openai", "openai", "http://h/v1", "http://h/v1/chat/completions"),
        ("openai", "openai", "http://h/v1/", "http://h/v1/chat/completions"),
        ("openai", "openai", "http://h/proxy/openai", "http://h/proxy/openai/chat/completions"),
        ("openai", "responses", "http://h/x/chat/completions", "http://h/x/responses"),
        ("openai", "responses", "http://h/chat/completions", "http://h/v1/responses"),
        ("anthropic", "claude", "http://h/anthropic", "http://h/anthropic/v1/messages"),
        ("anthropic", "claude", "http://h/anthropic/v1", "http://h/anthropic/v1/messages"),
        ("anthropic", "claude", "http://h/v1beta", "http://h/v1beta/messages"),
        ("anthropic", "claude", "http://h/vertex", "http://h/vertex/v1/messages"),
        ("glm", "claude", "http://h", "http://h/api/anthropic/v1/messages"),
        ("deepseek", "claude", "http://h/v1", "http://h/anthropic/v1/messages"),
        ("deepseek", "openai", "http://h/anthropic/v1/messages", "http://h/v1/chat/completions"),
    ],
)
def test_what_people_paste(provider, dialect, base_url, wanted) -> None:
    assert url(provider, dialect, base_url) == wanted


@every(
    ("dialect", "base_url", "wanted"),
    [
        ("openai", "http://127.0.0.1:11434", "http://127.0.0.1:11434/v1/chat/completions"),
        ("openai", "http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/chat/completions"),
        ("openai", "http://h/api/paas/v4", "http://h/api/paas/v4/chat/completions"),
        ("responses", "http://h", "http://h/v1/responses"),
        ("claude", "http://h", "http://h/v1/messages"),
        ("claude", "http://h/anthropic", "http://h/anthropic/v1/messages"),
        ("claude", "http://h/v1/messages", "http://h/v1/messages"),
        ("claude", "http://h/x/messages", "http://h/x/messages"),
        ("openai", "http://h/chat/completions", "http://h/chat/completions"),
        ("gemini", "http://h", "http://h/v1beta/models/m:generateContent"),
        ("gemini", "http://h/v1", "http://h/v1/models/m:generateContent"),
    ],
)
def test_nodes(dialect, base_url, wanted) -> None:
    assert at_node(dialect, base_url) == wanted


def test_an_account_of_a_node_may_say_another_url() -> None:
    box = node("box", "claude", "http://h/v1")
    assert endpoint(box, "claude", base_url="http://other", model="m", stream=True) == "http://other/v1/messages"


def test_gemini_has_the_model_in_its_path() -> None:
    assert at_node("gemini", "http://h", "gemini-3", stream=True) == (
        "http://h/v1beta/models/gemini-3:streamGenerateContent?alt=sse"
    )
    assert at_node("gemini", "http://h", "../x?key=1#") == "http://h/v1beta/models/..%2Fx%3Fkey%3D1%23:generateContent"


def test_a_dialect_that_is_not_spoken_is_an_error() -> None:
    with pytest.raises(KeyError):
        url("groq", "claude", None)


@every(
    ("text", "wanted"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434"),
        ("https://h.example/a/b//", "https://h.example/a/b"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://localhost", "http://localhost"),
        ("http://my_box:1/v1", "http://my_box:1/v1"),
    ],
)
def test_good_base_urls(text, wanted) -> None:
    assert check_base_url(text) == wanted
    assert check_base_url(wanted) == wanted


@every(
    ("text", "says"),
    [
        ("", "plain ASCII"),
        ("http://h /", "plain ASCII"),
        ("http://h\n", "plain ASCII"),
        ("http://bücher.example", "plain ASCII"),
        ("http://good\\@evil", "plain ASCII"),
        ("localhost:11434", "begin with http"),
        ("h.example/v1", "begin with http"),
        ("ftp://h/v1", "begin with http"),
        ("file:///etc/passwd", "begin with http"),
        ("http://", "no usable host"),
        ("http:///v1", "no usable host"),
        ("http://:80", "no usable host"),
        ("http://h:0", "no usable host"),
        ("http://h:/v1", "no usable host"),
        ("http://h!/v1", "no usable host"),
        ("http://h:99999", "cannot be read"),
        ("http://h:x", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("http://::1/v1", "cannot be read"),
        ("http://user:hunter2@h", "user or password"),
        ("http://@h", "user or password"),
        ("http://h/v1?key=1", "before any"),
        ("http://h/v1#x", "before any"),
        ("http://h/v1?", "before any"),
    ],
)
def test_bad_base_urls(text, says) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        check_base_url(text)
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=40) | st.text(max_size=30).map("http://{}".format))
def test_a_checked_url_is_whole(text) -> None:
    try:
        checked = check_base_url(text)
    except ValueError:
        return
    parts = urlsplit(checked)
    assert parts.hostname
    assert parts.username is parts.password is None
    assert not parts.query
    assert not parts.fragment
    assert check_base_url(checked) == checked
    assert urlsplit(at_node("openai", checked)).netloc == parts.netloc
