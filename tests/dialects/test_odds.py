"""Log probabilities, where both sides know them: asked for, and told, whole and in a stream."""

import itertools
import json
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import judge_reply, judge_stream, read_stream, run, write_stream

from omniroute.dialects.fold import fold, unfold
from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Begin, Finish, PartDelta, PartStart, PartStop, Reply, Text, TokenLogprob, Usage
from omniroute.dialects.translate import CODECS, translate_reply, translate_request

KNOW = ("openai", "responses", "gemini")
PAIRS = list(itertools.permutations(KNOW, 2))
SAID = (
    TokenLogprob("Hel", -0.25, b"Hel", (TokenLogprob("Hel", -0.25, b"Hel"), TokenLogprob("Hi", -1.5, b"Hi"))),
    TokenLogprob("lo", -0.5, b"lo", (TokenLogprob("lo", -0.5, b"lo"),)),
)
ASKED: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": "hi"}], "logprobs": True, "top_logprobs": 3},
    "responses": {"input": "hi", "include": ["message.output_text.logprobs"], "top_logprobs": 3},
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"responseLogprobs": True, "logprobs": 3},
    },
}


def asks(body: dict[str, Any]) -> dict[str, Any]:
    config = body.get("generationConfig", {})
    keys = ("logprobs", "top_logprobs", "include")
    return {key: body[key] for key in keys if key in body} | config


def ask(client: str, upstream: str, body: dict[str, Any], model: str) -> Any:
    return translate_request(client, upstream, body, model=model, stream=True, max_output=None)


@every(("client", "upstream"), PAIRS)
def test_they_are_asked_for_as_the_upstream_knows_them(client: str, upstream: str) -> None:
    written = ask(client, upstream, ASKED[client], "gpt-4o")
    assert asks(written.body) == asks(ASKED[upstream])
    assert written.dropped == ()


def test_who_does_not_know_them_reports_them_by_the_clients_own_name() -> None:
    named = {
        "openai": {"logprobs", "top_logprobs"},
        "responses": {"include", "top_logprobs"},
        "gemini": {"generationConfig.responseLogprobs", "generationConfig.logprobs"},
    }
    for client, names in named.items():
        assert set(ask(client, "claude", ASKED[client], "claude-sonnet-4-5").dropped) == names


def bare(reply: Reply) -> list[Any]:
    return [[(one.token, one.logprob, bare_others(one)) for one in part.odds] for part in texts(reply)]


def bare_others(one: TokenLogprob) -> list[tuple[str, float]]:
    return [(other.token, other.logprob) for other in one.others]


def texts(reply: Reply) -> list[Text]:
    return [part for part in reply.parts if isinstance(part, Text)]


TOKENS = st.builds(
    TokenLogprob,
    st.text(min_size=1, max_size=4),
    st.floats(-99, 0),
    others=st.lists(st.builds(TokenLogprob, st.text(min_size=1, max_size=4), st.floats(-99, 0)), max_size=2).map(tuple),
)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@given(tokens=st.lists(TOKENS, min_size=1, max_size=6), size=st.integers(1, 3))
def test_each_token_is_told_once_whole_and_in_a_stream(
    client: str, upstream: str, tokens: list[TokenLogprob], size: int
) -> None:
    groups = [tuple(tokens[i : i + size]) for i in range(0, len(tokens), size)]
    pieces = [PartDelta(0, "".join(one.token for one in group), group) for group in groups]
    events = [Begin("m"), PartStart(0, Text()), *pieces, PartStop(0), Finish("stop", usage=Usage(1, 2))]
    reply = fold(events)
    out = run(client, upstream, [write_stream(upstream, events)])
    streamed = read_stream(client, out)
    judge_stream(client, out)
    body = translate_reply(client, upstream, CODECS[upstream].write_reply(reply, model="m"), model="m")
    judge_reply(client, body)
    assert bare(streamed) == bare(CODECS[client].read_reply(body)) == bare(reply)


def test_bytes_pass_between_the_two_dialects_that_have_them() -> None:
    reply = Reply("m", (Text("Hello", odds=SAID),), "stop", usage=Usage(1, 2))
    for client, upstream in [("openai", "responses"), ("responses", "openai")]:
        body = translate_reply(client, upstream, CODECS[upstream].write_reply(reply, model="m"), model="m")
        assert texts(CODECS[client].read_reply(body))[0].odds == SAID
        assert (
            texts(read_stream(client, run(client, upstream, [write_stream(upstream, unfold(reply))])))[0].odds == SAID
        )


def test_gemini_tells_their_mean_at_the_end() -> None:
    reply = Reply("m", (Text("Hello", odds=SAID),), "stop", usage=Usage(1, 2))
    out = run("gemini", "openai", [write_stream("openai", unfold(reply))])
    assert judge_stream("gemini", out).candidates[0].avg_logprobs == -0.375
    body = translate_reply("gemini", "openai", CODECS["openai"].write_reply(reply, model="m"), model="m")
    assert body["candidates"][0]["avgLogprobs"] == -0.375


def test_those_that_gemini_tells_with_its_last_words_belong_to_the_text() -> None:
    chosen = {"chosenCandidates": [{"token": "Hi", "tokenId": 5, "logProbability": -0.5}]}
    said = [
        {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]},
        {"candidates": [{"finishReason": "STOP", "logprobsResult": chosen, "avgLogprobs": -0.5}]},
    ]
    wire = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in said)
    assert texts(read_stream("openai", run("openai", "gemini", [wire]))) == [
        Text("Hi", odds=(TokenLogprob("Hi", -0.5),))
    ]


@every("odd", [5, [], {}, {"content": 5}, {"content": [5]}, {"content": [{"token": 5}]}, {"content": [{"token": "a"}]}])
def test_no_answer_fails_by_odd_ones(odd: Any) -> None:
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": odd, "finish_reason": "stop"}
    stream = Stream("responses", "openai", model="m")
    stream.feed(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n")
    assert (stream.done, stream.fault) == (True, None)
    candidate = {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP", "logprobsResult": odd}
    stream = Stream("responses", "gemini", model="m")
    stream.feed(b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\n\n")
    stream.finish()
    assert (stream.done, stream.fault) == (True, None)
