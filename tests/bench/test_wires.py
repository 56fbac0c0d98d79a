"""What the bench says in each dialect, it reads out again: else its matrix would prove nothing."""

import json
from types import ModuleType
from typing import Any

from cases import every

from omniroute.bench import vocabulary
from omniroute.bench.compare import Verdict
from omniroute.bench.features import BY_ID, FEATURES, Feature
from omniroute.bench.registry import BENCH_DIALECTS
from omniroute.bench.vocabulary import TOOL, BenchReply, BenchRequest, SeenRequest, call_text

EVERY = every("wire", BENCH_DIALECTS.values(), ids=list(BENCH_DIALECTS))
EACH = every("feature", FEATURES, ids=list(BY_ID))
CANNOT = {"responses": {"stop"}}


def meant(asked: BenchRequest) -> dict[str, Any]:
    """Say what a request means, from the request itself."""
    turns = asked.turns
    return {
        "system": asked.system,
        "user": tuple(turn.text for turn in turns if turn.role == "user" and turn.text),
        "assistant": tuple(turn.text for turn in turns if turn.role == "assistant" and turn.text),
        "images": tuple(vocabulary.PNG for turn in turns if turn.image),
        "tools": (TOOL,) if asked.tools else (),
        "calls": tuple(call_text(TOOL, {"city": call.city}) for turn in turns for call in turn.calls),
        "results": tuple(result.text for turn in turns for result in turn.results),
        "thinks": asked.thinks,
        "schema": ("city", "degrees") if asked.schema else (),
        "temperature": asked.temperature,
        "stop": (asked.stop,) if asked.stop else (),
        "limit": asked.limit,
    }


@EVERY
@EACH
def test_a_request_is_read_as_it_was_meant(wire: ModuleType, feature: Feature) -> None:
    asked = feature.ask("word")
    _, body = wire.ask(asked, "a-model")
    told: SeenRequest = wire.told(json.loads(json.dumps(body)))
    dialect = next(name for name, each in BENCH_DIALECTS.items() if each is wire)
    expected = meant(asked)
    for name in expected.keys() - CANNOT.get(dialect, set()):
        assert getattr(told, name) == expected[name], name


@EVERY
@EACH
def test_an_answer_is_heard_as_it_was_said(wire: ModuleType, feature: Feature) -> None:
    script = feature.script("word")
    if feature.kind == "refusal":
        assert wire.heard(wire.refusal(script.status, script.text)).fault == script.text
        return
    pieces = wire.heard_stream(b"".join(wire.stream(script)))
    if feature.kind == "broken":
        assert (pieces.text, pieces.end) == (script.text, "")
    else:
        assert pieces == wire.heard(json.loads(json.dumps(wire.whole(script)))) == script.spoken


def test_each_request_is_another() -> None:
    for feature in FEATURES:
        assert feature.ask("one") != feature.ask("other")


# what has not come through


def wrong(verdict: Verdict) -> list[tuple[str, str, str]]:
    return [(each.what, each.expected, each.got) for each in verdict.wrong]


@every("feature", [each for each in FEATURES if each.told], ids=lambda each: each.id)
def test_what_the_upstream_misses_is_named(feature: Feature) -> None:
    client, upstream = BENCH_DIALECTS["claude"], BENCH_DIALECTS["openai"]
    _, sent = client.ask(feature.ask("word"), "m")
    for name in feature.told:
        nothing = {"messages": [{"role": "user", "content": "something else"}]}
        verdict = Verdict()
        verdict.request(feature, client, sent, upstream, nothing, ())
        assert f"the upstream's {name}" in [each.what for each in verdict.wrong]
        assert not verdict.lost


def test_only_what_was_said_to_be_left_out_may_be_missing() -> None:
    client, upstream, feature = BENCH_DIALECTS["claude"], BENCH_DIALECTS["responses"], BY_ID["settings"]
    _, sent = client.ask(feature.ask("word"), "m")
    _, got = upstream.ask(feature.ask("word"), "m")
    for dropped, expected in (((), []), (("stop_sequences",), ["stop"]), (("temperature",), [])):
        verdict = Verdict()
        verdict.request(feature, client, sent, upstream, got, dropped)
        assert verdict.lost == expected
        assert bool(verdict.wrong) is not bool(expected)
    changed = Verdict()
    changed.request(feature, client, sent, upstream, got | {"temperature": 0.7}, ("temperature", "stop_sequences"))
    assert wrong(changed) == [("the upstream's temperature", "0.5", "0.7")]


def test_what_the_client_does_not_hear_is_named() -> None:
    feature, verdict = BY_ID["parallel"], Verdict()
    script = feature.script("word")
    verdict.answer(feature, script.spoken, BenchReply("I will look, word.", calls=script.spoken.calls[:1], end="stop"))
    assert [each[0] for each in wrong(verdict)] == ["the client's calls", "the client's end"]


def test_refusals_and_broken_streams_are_no_answers() -> None:
    verdict = Verdict()
    verdict.refusal(429, "Slow down", 502, BenchReply(fault="something else"))
    verdict.broken("Hello", BenchReply("Hello", end="stop"))
    verdict.broken("Hello", BenchReply("Bye", fault="it broke off"))
    assert wrong(verdict) == [
        ("the client's status", "429", "502"),
        ("the client's error", "Slow down", "something else"),
        ("the client's error", "that the answer has broken off", ""),
        ("the client's end", "", "stop"),
        ("the client's text", "Hello", "Bye"),
    ]
