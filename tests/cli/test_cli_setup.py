"""node …, combo … and key …"""

import json

import pytest
from cases import every
from stand_ins import Ctl, Web

from omniroute.store.config.keys import digest
from omniroute.store.config.snapshot import load
from omniroute.store.db.database import Store


def test_a_node_from_first_to_last(ctl: Ctl, as_json, home) -> None:
    expected = {"prefix": "home", "name": "Home", "dialects": ["openai"], "base_url": "http://127.0.0.1:9/v1"}
    assert as_json("node", "list") == [expected]
    assert "http://127.0.0.1:9/v1" in ctl("node", "list").stdout
    ctl("provider", "add", "home", "--api-key", "sk-0123456789")
    assert as_json("node", "remove", "home") == {"removed": "home", "accounts": 1, "combos": []}
    assert as_json("provider", "list") == []
    assert "omniroute-ctl node add" in ctl("node", "list").stdout


def test_adding_a_node_says_what_its_models_are_called(ctl: Ctl) -> None:
    shown = ctl("node", "add", "home", "--dialect", "openai", "--base-url", "http://127.0.0.1:9/v1").stdout
    assert "home/MODEL" in shown
    assert "Removed the node 'home'." in ctl("node", "remove", "home").stdout


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("openai", "openai"), ("responses", "responses"), ("claude", "claude"), ("gemini", "gemini"),
        ("openai-chat", "openai"), ("openai-responses", "responses"), ("anthropic", "claude"), ("Claude", "claude"),
    ],
)  # fmt: skip
def test_dialects_go_by_several_names(as_json, said, meant) -> None:
    added = as_json("node", "add", "n", "--dialect", said, "--base-url", "http://127.0.0.1:9")
    assert added["dialects"] == [meant]


@every(
    ("words", "code", "says"),
    [
        (("x", "--dialect", "klingon", "--base-url", "http://a"), 2, "'klingon'"),
        (("x", "--dialect", "openai", "--base-url", "a b"), 2, "plain ASCII"),
        (("x", "--dialect", "openai", "--base-url", "http://me:secret@a"), 2, "password"),
        (("x", "--dialect", "openai"), 2, "--base-url"),
        (("openai", "--dialect", "openai", "--base-url", "http://a"), 1, "OpenAI"),
        (("A b", "--dialect", "openai", "--base-url", "http://a"), 1, "cannot be the prefix"),
        (("home", "--dialect", "openai", "--base-url", "http://a"), 1, "already"),
    ],
)
def test_a_node_that_cannot_be(refused, as_json, home, words, code, says) -> None:
    line = refused("node", "add", *words, code=code)
    assert says in line
    assert "secret@" not in line
    assert len(as_json("node", "list")) == 1


def test_a_node_that_is_not_there_or_is_needed(refused, ctl: Ctl, home) -> None:
    assert "'home'" in refused("node", "remove", "hoem")
    ctl("combo", "add", "c", "home/m")
    assert "The combo 'c' used it: nothing left that can serve it." in ctl("node", "remove", "home").stdout
    assert "home/m: is no model of any provider" in " ".join(ctl("combo", "show", "c").stdout.split())


def test_a_combo_from_first_to_last(ctl: Ctl, as_json, home) -> None:
    assert "omniroute-ctl combo add" in ctl("combo", "list").stdout
    added = as_json("combo", "add", "best", "home/a", "home/b", "--strategy", "priority")
    assert added == {
        **{"name": "best", "models": ["home/a", "home/b"], "strategy": "priority", "weights": {}},
        **{"retries": None, "retry_delay": None, "hedge": None, "resume": None, "deadlines": {}},
    }
    assert as_json("combo", "list") == [added]
    assert "home/a, home/b" in ctl("combo", "list").stdout
    assert as_json("combo", "show", "best") == added | {"targets": ["home/a", "home/b"]}
    shown = ctl("combo", "show", "best").stdout
    assert "home/a by no key" in shown
    assert as_json("combo", "remove", "best") == {"removed": "best"}
    assert as_json("combo", "list") == []


def test_a_combo_says_what_is_left_out_for_now(ctl: Ctl, home) -> None:
    result = ctl("combo", "add", "best", "home/a", "openai/gpt-4o")
    assert "home/a → openai/gpt-4o" in result.stdout
    assert "openai/gpt-4o: OpenAI has no account" in result.stderr
    assert "OpenAI has no account" in ctl("combo", "show", "best").stdout
    assert "Removed" in ctl("combo", "remove", "best").stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("add", "c", "hoem/a"), 1, "'home'"),
        (("add", "a b", "home/a"), 1, "cannot be the name"),
        (("add", "c", "home/a", "--strategy", "luck"), 2, "luck"),
        (("add", "best", "home/a"), 1, "already"),
        (("show", "bst"), 1, "best"),
        (("remove", "bst"), 1, "best"),
        (("test", "bst"), 1, "best"),
    ],
)
def test_a_combo_that_cannot_be(refused, as_json, ctl: Ctl, home, words, code, says) -> None:
    ctl("combo", "add", "best", "home/a")
    assert says in refused("combo", *words, code=code)
    assert len(as_json("combo", "list")) == 1


OPENAI = {"id": "x", "object": "chat.completion", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "OK"}, "finish_reason": "stop"}]}  # fmt: skip
CLAUDE = {"id": "x", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "OK"}],
    "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip


@pytest.fixture
def mixed(ctl: Ctl, web: Web) -> Web:
    ctl("node", "add", "oa", "--dialect", "openai", "--base-url", f"{web.url}/oa/v1")
    ctl("node", "add", "cl", "--dialect", "claude", "--base-url", f"{web.url}/cl/v1")
    ctl("combo", "add", "mixed", "oa/one", "cl/two")
    return web


def test_every_target_of_a_combo_is_asked_in_its_own_dialect(ctl: Ctl, as_json, mixed: Web) -> None:
    mixed.answers["POST /oa/v1/chat/completions"] = (429, '{"error": {"message": "slow down"}}')
    mixed.answers["POST /cl/v1/messages"] = (200, json.dumps(CLAUDE))
    first, second = as_json("combo", "test", "mixed")
    assert (first["target"], first["ok"], first["status"]) == ("oa/one", False, 429)
    assert (second["target"], second["ok"], second["status"], second["dialect"]) == ("cl/two", True, 200, "claude")
    assert [json.loads(body)["model"] for _, _, body in mixed.asked] == ["one", "two"]
    assert mixed.asked[1][1]["anthropic-version"]
    shown = ctl("combo", "test", "mixed").stdout
    assert "status 429: slow down" in shown
    assert "two answered" in shown


def test_a_combo_of_which_nothing_works_is_exit_1(ctl: Ctl, as_json, mixed: Web) -> None:
    assert [row["ok"] for row in as_json("combo", "test", "mixed", code=1)] == [False, False]
    assert "404" in ctl("combo", "test", "mixed", code=1).stdout


def test_a_combo_without_targets_cannot_be_tested(refused, ctl: Ctl) -> None:
    ctl("combo", "add", "c", "openai/gpt-4o")
    assert "omniroute-ctl combo show c" in refused("combo", "test", "c")


def test_a_key_is_shown_once_and_opens(ctl: Ctl, as_json, data_dir) -> None:
    made = as_json("key", "create", "laptop", "--allow", "openai/*", "--allow", "best")
    assert made["allow"] == ["openai/*", "best"]
    store = Store(data_dir)
    try:
        assert load(store).keys_by_digest[digest(store, made["key"])].name == "laptop"
    finally:
        store.close()
    (listed,) = as_json("key", "list")
    assert listed["hint"] == made["key"][-4:]
    shown = ctl("key", "list").stdout
    assert "openai/*, best" in shown
    assert made["key"] not in shown
    assert as_json("key", "revoke", "laptop")["revoked_at"] is not None
    assert as_json("key", "list") == []


def test_people_are_told_that_it_is_not_shown_again(ctl: Ctl) -> None:
    assert "omniroute-ctl key create" in ctl("key", "list").stdout
    shown = ctl("key", "create", "laptop").stdout
    assert "not shown again" in shown
    assert shown.splitlines()[0].startswith("sk-")
    assert "every model" in ctl("key", "list").stdout
    assert "Revoked" in ctl("key", "revoke", "laptop").stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("create", ""), 1, "cannot be the name"),
        (("create", "laptop"), 1, "already"),
        (("create", "other", "--allow", ""), 1, "no model pattern"),
        (("create", "other", "--allow", "a b"), 1, "no model pattern"),
        (("revoke", "lapto"), 1, "laptop"),
    ],
)
def test_a_key_that_cannot_be(refused, as_json, ctl: Ctl, words, code, says) -> None:
    ctl("key", "create", "laptop")
    assert says in refused("key", *words, code=code)
    assert len(as_json("key", "list")) == 1
