"""Conversations: recognised as they grow, kept apart, forgotten in time."""

import json
from pathlib import Path

import pytest

from omniroute.routing.affinity import LASTS, MOST, Affinity, SessionKey, session_key

ASK = {"role": "user", "content": "count the files"}
SAY = {"role": "assistant", "content": "three"}


def of(body, owner="k", model="m", headers=()):
    return session_key(owner, model, headers, body)


def test_it_grows_and_stays_the_same() -> None:
    first, second = of({"messages": [ASK]}), of({"messages": [ASK, SAY, {"role": "user", "content": "again"}]})
    assert first.key == second.key
    assert (first.known, second.known) == (False, True), "what has no answer in it yet was never served"


def test_a_turn_of_a_million_parts_is_not_walked_to_its_end() -> None:
    parts = [{}] * 1_000_000
    assert of({"messages": [{"role": "user", "content": [*parts, {"type": "text", "text": "hi"}]}]}) is None
    assert of({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, *parts]}]}) is not None


def test_marks_of_caches_do_not_count() -> None:
    marked = {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}
    plain = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    assert of({"messages": [marked]}).key == of({"messages": [plain, SAY]}).key


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "system", "content": "be brief"}, ASK, SAY]},
        {"contents": [{"role": "user", "parts": [{"text": "count"}]}, {"role": "model", "parts": []}]},
        {"input": [{"type": "message", "role": "user", "content": "x"}, {"type": "function_call", "call_id": "c"}]},
    ],
)
def test_every_dialect_has_them(body) -> None:
    assert of(body).known


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"input": "hi"}, {"messages": [SAY]}, {"messages": [{"role": "user"}]}]
)
def test_nothing_tells_it_from_others(body) -> None:
    assert of(body) is None


def test_callers_models_and_questions_are_kept_apart() -> None:
    bodies = [{"messages": [{"role": "user", "content": text}]} for text in ("a", "b")]
    keys = {of(body, owner, model).key for body in bodies for owner in ("k", "l") for model in ("m", "n")}
    assert len(keys) == 8


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (((b"X-Session-Id", b"s1"),), {"messages": [ASK]}),
        (((b"session_id", b"s1"),), {"input": "hi"}),
        ((), {"input": "hi", "prompt_cache_key": "s1"}),
        ((), {"messages": [ASK], "metadata": {"user_id": '{"session_id":"s1"}'}}),
    ],
)
def test_a_session_that_names_itself_is_known_from_the_start(headers, body) -> None:
    assert of(body, headers=headers).known


def test_a_user_is_no_session() -> None:
    assert not of({"messages": [ASK], "metadata": {"user_id": "ada"}}).known


def test_it_is_remembered_for_a_while() -> None:
    affinity, one = Affinity(), SessionKey(b"1", known=True)
    assert affinity.stay(one, 0.0) is None
    affinity.served(one, ("a", "box/m"), 10.0, began=5.0)
    assert affinity.stay(one, 10.0 + LASTS) == ("a", "box/m")
    assert affinity.stay(one, 11.0 + LASTS) is None
    assert affinity.stay(SessionKey(b"1", known=False), 10.0) is None
    affinity.released(one, "b", 10.0)
    assert affinity.stay(one, 10.0) == ("a", "box/m"), "another account's failure says nothing"
    affinity.released(one, "a", 10.0)
    assert affinity.stay(one, 10.0) is None


def test_it_does_not_grow_for_ever() -> None:
    affinity = Affinity()
    for number in range(MOST + 1):
        affinity.served(SessionKey(str(number).encode(), known=True), ("a", "box/m"), 0.0, began=0.0)
    assert affinity.stay(SessionKey(b"0", known=True), 0.0) is None
    assert affinity.stay(SessionKey(b"1", known=True), 0.0) is not None


def test_real_clients_stay_one_conversation() -> None:
    wire = Path(__file__).parents[3] / "shared" / "wire"
    if not wire.is_dir():
        pytest.skip("NO CAPTURES: ../shared/wire is absent")
    for folder in ("claude-code-2.1.330", "codex-0.169.0", "gemini-cli-0.61.0", "opencode-1.18.33", "qwen-code-0.24.4"):
        files = sorted(wire.glob(f"{folder}/single-0*.json"))
        asked = [json.loads(path.read_text()) for path in files]
        turns = [one for one in asked if one.get("body") and one["method"] == "POST"]
        found = [
            of(one["body"], headers=[(name.encode(), value.encode()) for name, value in one["headers"]])
            for one in turns
            if len(str(one["body"])) > 20_000
        ]
        assert len(found) >= 2, folder
        assert len({one.key for one in found}) == 1, folder
        assert found[-1].known, folder


def test_an_answer_that_began_before_a_failure_does_not_bring_its_account_back() -> None:
    affinity, one = Affinity(), SessionKey(b"1", known=True)
    affinity.served(one, ("a", "box/m"), 10.0, began=5.0)
    affinity.released(one, "a", 20.0)
    affinity.served(one, ("a", "box/m"), 30.0, began=15.0)
    assert affinity.stay(one, 30.0) is None
    affinity.served(one, ("b", "box/m"), 31.0, began=21.0)
    affinity.served(one, ("a", "box/m"), 40.0, began=15.0)
    assert affinity.stay(one, 40.0) == ("b", "box/m"), "of two answers the one counts that began last"
