"""The scripted upstream is what every whole test leans on: it must do what its name for it says."""

import gzip
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import httpx
import openai
import pytest
from cases import every
from harness import PATIENCE, Upstream, until
from scripted import replies
from scripted.behaviours import BEHAVIOURS

TEXT = replies.text("m")
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def chat_sdk(upstream: Upstream, behaviour: str) -> openai.OpenAI:
    base = f"{upstream.base(behaviour)}/v1"
    retries = 2 if behaviour == "hangup" else 0  # who hangs up without a word may be asked again before that is heard
    return openai.OpenAI(base_url=base, api_key="k", http_client=upstream.client, max_retries=retries)


@contextmanager
def claude_sdk(upstream: Upstream, behaviour: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.DefaultHttpxClient(**upstream.connects) as client:
        yield anthropic.Anthropic(base_url=upstream.base(behaviour), api_key="k", http_client=client, max_retries=0)


def ask(upstream: Upstream, behaviour: str, *, stream: bool = True) -> httpx.Response:
    return upstream.client.post(f"/b/{behaviour}/v1/chat/completions", json={**CHAT, "stream": stream})


@pytest.fixture(params=["--h1", "--tls", "--h2"])
def any_upstream(request: pytest.FixtureRequest) -> Upstream:
    kinds = {"--h1": "upstream", "--tls": "upstream_tls", "--h2": "upstream_h2"}
    return request.getfixturevalue(kinds[request.param])


@every("behaviour", ["ok", "drip", "gzip", "comments", "slow:0", "wait:0", "wait-headers:0", "hangup"])
def test_official_sdks_read_good_replies(any_upstream: Upstream, behaviour: str) -> None:
    chat = chat_sdk(any_upstream, behaviour)
    options = {"include_usage": True}
    chunks = list(chat.chat.completions.create(**CHAT, stream=True, stream_options=options))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert chunks[-1].usage.completion_tokens == replies.OUTPUT
    if behaviour != "comments":
        assert chat.chat.completions.create(**CHAT).choices[0].message.content == TEXT
        assert chat.responses.create(model="m", input="hi").output_text == TEXT
    with chat.responses.stream(model="m", input="hi") as stream:
        assert stream.get_final_response().output_text == TEXT

    with (
        claude_sdk(any_upstream, behaviour) as claude,
        claude.messages.stream(**CHAT, max_tokens=9) as stream,
    ):
        message = stream.get_final_message()
    assert (message.content[0].text, message.usage.output_tokens) == (TEXT, replies.OUTPUT)


def test_tool_calls_are_read_too(upstream: Upstream) -> None:
    with chat_sdk(upstream, "tool").chat.completions.stream(**CHAT) as events:
        call = events.get_final_completion().choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"word": "kumquat"}
    with claude_sdk(upstream, "tool") as claude, claude.messages.stream(**CHAT, max_tokens=9) as stream:
        assert stream.get_final_message().content[0].input == {"word": "kumquat"}


@every("status", [400, 401, 404, 429, 500, 503, 529])
def test_sdks_read_the_errors(any_upstream: Upstream, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as of_openai:
        chat_sdk(any_upstream, str(status)).chat.completions.create(**CHAT)
    with claude_sdk(any_upstream, str(status)) as claude, pytest.raises(anthropic.APIStatusError) as of_claude:
        claude.messages.create(**CHAT, max_tokens=9)
    assert (of_openai.value.status_code, of_claude.value.status_code) == (status, status)
    assert of_openai.value.body["message"] == of_claude.value.body["error"]["message"]
    assert of_openai.value.response.headers.get("retry-after") == ("2" if status == 429 else None)


def test_retry_after_is_the_scripts(upstream: Upstream) -> None:
    assert ask(upstream, "429:77").headers["retry-after"] == "77"
    assert "retry-after" not in ask(upstream, "429:none").headers


@every("stream", [True, False])
@every("behaviour", ["hang", "hang-headers", "hang-byte", "hang-late"])
def test_a_hang_lasts_until_the_client_goes(any_upstream: Upstream, behaviour: str, *, stream: bool) -> None:
    url = f"{any_upstream.base(behaviour)}/v1/chat/completions"
    any_upstream.clear()
    limit = httpx.Timeout(PATIENCE, read=0.2)
    with httpx.Client(timeout=limit, **any_upstream.connects) as client, pytest.raises(httpx.ReadTimeout):
        client.post(url, json={**CHAT, "stream": stream})
    until("the upstream has seen the client go", lambda: any_upstream.stats()["cancelled"] == 1)
    assert any_upstream.stats()["in_flight"] == 0
    assert any_upstream.asked()[0].cancelled


@every("stream", [True, False])
@every("behaviour", ["cut-first", "cut-late"])
def test_a_cut_is_no_end(any_upstream: Upstream, behaviour: str, *, stream: bool) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        ask(any_upstream, behaviour, stream=stream)
    assert any_upstream.stats()["cancelled"] == 0


@every(
    ("behaviour", "says"),
    [("empty", ""), ("role-only", "assistant"), ("error-first", "overloaded"), ("error-late", "Greetings"),
     ("stops", "Greetings"), ("wrong", "hello"), ("data-junk", "{oops"), ("not-sse", "Once upon"), ("html", "<h1>")],
)  # fmt: skip
def test_bad_streams_end_cleanly(any_upstream: Upstream, behaviour: str, says: str) -> None:
    reply = ask(any_upstream, behaviour)
    assert reply.status_code == 200
    assert says in reply.text
    assert "[DONE]" not in reply.text
    assert bool(reply.content) == bool(says)


def test_content_before_and_after_the_break(upstream: Upstream) -> None:
    assert "Greetings" not in ask(upstream, "error-first").text + ask(upstream, "role-only").text
    late = ask(upstream, "error-late").text
    assert late.index("Greetings") < late.index('"error"')


def test_bad_whole_replies(upstream: Upstream) -> None:
    assert ask(upstream, "error-first", stream=False).json()["error"]["message"]
    with pytest.raises(json.JSONDecodeError):
        ask(upstream, "broken-json", stream=False).json()
    assert ask(upstream, "html:502", stream=False).status_code == 502
    with pytest.raises(httpx.RemoteProtocolError):
        ask(upstream, "not-http")
    assert ask(upstream, "context", stream=False).json()["error"]["code"] == "context_length_exceeded"


def test_gzip_is_really_on_the_wire(upstream: Upstream) -> None:
    with upstream.client.stream("POST", "/b/gzip/v1/chat/completions", json=CHAT) as reply:
        assert reply.headers["content-encoding"] == "gzip"
        assert TEXT in gzip.decompress(b"".join(reply.iter_raw())).decode()


def test_huge_is_as_long_as_it_says(any_upstream: Upstream) -> None:
    assert 2**20 < len(ask(any_upstream, "huge:1", stream=False).content) < 1.1 * 2**20
    assert ask(any_upstream, "huge:1").text.rstrip().endswith("[DONE]")


def test_a_sequence_goes_one_step_a_request(upstream: Upstream) -> None:
    statuses = [ask(upstream, "500,429,ok", stream=False).status_code for _ in range(4)]
    assert statuses == [500, 429, 200, 200]


def test_a_model_name_can_choose_too(upstream: Upstream) -> None:
    reply = upstream.client.post("/v1/chat/completions", json={**CHAT, "model": "503"})
    assert reply.status_code == 503


def test_connections_are_kept_closed_or_gone_stale(upstream: Upstream) -> None:
    def connections(behaviour: str) -> int:
        upstream.clear()
        with httpx.Client(base_url=upstream.url, trust_env=False) as client:
            for _ in range(2):
                client.post(f"/b/{behaviour}/v1/chat/completions", json=CHAT)
        return len({each.connection for each in upstream.asked()})

    assert (connections("ok"), connections("close")) == (1, 2)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        connections("stale")
    assert len(upstream.asked()) == 1, "the second request was never read"


def test_the_log_has_every_byte(any_upstream: Upstream) -> None:
    body = b'{ "model":"m",\n "odd" : "\xc3\xa4"}'
    any_upstream.client.post("/v1/chat/completions?a=b", content=iter([body[:5], body[5:]]), headers={"X-Mine": "1"})
    (asked,) = any_upstream.asked()
    assert (asked.method, asked.path, asked.body) == ("POST", "/v1/chat/completions?a=b", body)
    assert asked.headers["x-mine"] == "1"
    any_upstream.clear()
    assert any_upstream.asked() == []
    assert any_upstream.stats()["requests"] == 0


def test_asking_for_the_log_does_not_count(upstream: Upstream) -> None:
    assert upstream.stats()["connections"] == 0
    with httpx.Client(base_url=upstream.url, trust_env=False) as client:
        client.post("/v1/chat/completions", json=CHAT)
        assert upstream.stats()["connections"] == 1
    until("the connection is closed", lambda: upstream.stats()["connections"] == 0)


def test_ports_on_which_nothing_good_is(upstream: Upstream) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", upstream.ports["refused"]), timeout=5)
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", upstream.ports["full"]), timeout=0.2)
    context = ssl.create_default_context()
    for name, error in (("prose", ssl.SSLError), ("silent", TimeoutError)):
        with (
            socket.create_connection(("127.0.0.1", upstream.ports[name]), timeout=0.5) as sock,
            pytest.raises(error),
        ):
            context.wrap_socket(sock, server_hostname="127.0.0.1")


def test_every_behaviour_is_described() -> None:
    import scripted.behaviours as module

    assert [name for name in BEHAVIOURS if name not in module.__doc__] == []
