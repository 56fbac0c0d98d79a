"""provider …: accounts from the first to the last, and every way to say it wrong."""

import json
from contextlib import closing

import pytest
from cases import every
from stand_ins import Ctl, Web

from omniroute.routing.strategy_state import StrategyChanges, Use
from omniroute.store.db.database import Store
from omniroute.store.state import strategy_state

SECRET = "sk-live-0123456789abcdef"


@pytest.fixture
def added(as_json) -> dict:
    return as_json("provider", "add", "openai", "--api-key", SECRET, "--name", "work", "--priority", "2")


def test_an_account_from_first_to_last(ctl: Ctl, as_json, added) -> None:
    assert added["name"] == "work"
    assert added["priority"] == 2
    assert as_json("provider", "list") == [added | {"last_used_at": None}]
    assert as_json("provider", "show", "work")["key"] == "•••• cdef"
    assert as_json("provider", "show", added["id"][:6])["id"] == added["id"]
    assert as_json("provider", "disable", "openai")["enabled"] is False
    assert as_json("provider", "list")[0]["enabled"] is False
    assert as_json("provider", "enable", "work")["enabled"] is True
    assert as_json("provider", "remove", "work")["removed"] == added["id"]
    assert as_json("provider", "list") == []


def test_when_an_account_was_asked_last(ctl: Ctl, as_json, added, data_dir) -> None:
    with closing(Store(data_dir)) as store:
        strategy_state.save(store, StrategyChanges({added["id"]: Use("openai", 1, 1, 1_700_000_000.0)}, {}))
    assert as_json("provider", "list")[0]["last_used_at"] == "2023-11-14T22:13:20+00:00"
    assert as_json("provider", "show", "work")["last_used_at"] == "2023-11-14T22:13:20+00:00"
    assert " 2023-11-1" in ctl("provider", "list").stdout
    assert "last used  2023-11-1" in ctl("provider", "show", "work").stdout


def test_who_is_blocked_can_be_seen(ctl: Ctl, as_json, added) -> None:
    ctl("provider", "block", "openai")
    assert [row["id"] for row in as_json("provider", "list", "--all") if row["blocked"]] == ["openai"]
    assert " blocked " in ctl("provider", "list").stdout
    assert "blocked    yes" in ctl("provider", "show", "work").stdout


def test_people_read_sentences_and_tables(ctl: Ctl) -> None:
    assert "omniroute-ctl provider add" in ctl("provider", "list").stdout
    shown = ctl("provider", "add", "openai", "--api-key", SECRET, "--base-url", "http://127.0.0.1:9/v1").stdout
    assert "provider test" in shown
    listed = ctl("provider", "list").stdout
    assert "•••• cdef" in listed
    assert "http://127.0.0.1:9/v1" in listed
    assert "OpenAI (openai)" in ctl("provider", "show", "openai").stdout
    assert "disabled" in ctl("provider", "disable", "openai").stdout
    assert "enabled" in ctl("provider", "enable", "openai").stdout
    assert "Removed" in ctl("provider", "remove", "openai").stdout


@pytest.mark.parametrize(
    ("words", "input"),
    [(("--api-key", SECRET), None), (("--api-key-stdin",), f"{SECRET}\n"), (("--api-key", f" {SECRET} "), None)],
)
def test_the_key_arrives_and_is_never_printed(ctl: Ctl, as_json, words, input) -> None:
    for command in (
        ("provider", "add", "openai", *words), ("provider", "list"), ("provider", "show", "openai"),
        ("provider", "list", "--json"), ("provider", "show", "openai", "--json"),
    ):  # fmt: skip
        result = ctl(*command, input=input)
        assert SECRET not in result.output
    assert as_json("provider", "list")[0]["key"] == "•••• cdef"


def test_of_a_short_key_nothing_is_shown(as_json) -> None:
    assert as_json("provider", "add", "openai", "--api-key", "sk-1234")["key"] == "••••"


def test_on_a_terminal_the_key_is_asked_for_unseen(ctl: Ctl, as_json, monkeypatch) -> None:
    monkeypatch.setattr("omniroute.cli.common_options.on_terminal", lambda: True)
    result = ctl("provider", "add", "openai", input=f"{SECRET}\n")
    assert SECRET not in result.output
    assert as_json("provider", "list")[0]["key"] == "•••• cdef"


@every(
    ("words", "code", "says"),
    [
        (("opnai", "--api-key", SECRET), 1, "openai"),
        (("openai",), 2, "--api-key or --api-key-stdin"),
        (("openai", "--api-key", SECRET, "--api-key-stdin"), 2, "exclude each other"),
        (("openai", "--api-key", " "), 2, "the key is empty"),
        (("openai", "--api-key-stdin"), 2, "the key is empty"),
        (("openai", "--api-key", "sk two words"), 1, "printable characters"),
        (("openai", "--api-key", "sk-schlüssel"), 1, "printable characters"),
        (("openai", "--api-key", SECRET, "--priority", "0"), 2, "1<=x<=100"),
        (("openai", "--api-key", SECRET, "--priority", "101"), 2, "1<=x<=100"),
        (("openai", "--api-key", SECRET, "--priority", "first"), 2, "not a valid integer"),
        (("openai", "--api-key", SECRET, "--base-url", "ftp://x"), 2, "must begin with http"),
        (("openai", "--api-key", SECRET, "--name", ""), 1, "cannot be the name"),
        (("openai", "--api-key", SECRET, "--name", "two\nlines"), 1, "cannot be the name"),
    ],
)
def test_what_cannot_be_added_leaves_nothing(refused, as_json, words, code, says) -> None:
    line = refused("provider", "add", *words, code=code, input="")
    assert says in line
    assert SECRET not in line
    assert as_json("provider", "list") == []


@pytest.mark.parametrize("command", ["show", "test", "enable", "disable", "remove"])
def test_an_account_that_is_not_there(refused, added, command) -> None:
    assert "work" in refused("provider", command, "wrok")


def test_a_name_that_means_several(refused, added, ctl: Ctl) -> None:
    ctl("provider", "add", "openai", "--api-key", SECRET, "--name", "home")
    assert added["id"] in refused("provider", "remove", "openai")


def test_every_provider_that_can_be_added_is_listed(ctl: Ctl, as_json, added) -> None:
    ctl("node", "add", "home", "--dialect", "claude", "--base-url", "http://127.0.0.1:9")
    rows = {row["id"]: row for row in as_json("provider", "list", "--all")}
    assert rows["openai"]["accounts"] == 1
    assert rows["deepseek"]["prefix"] == "ds"
    assert rows["home"]["node"] is True
    assert rows["home"]["dialects"] == ["claude"]
    assert "api.deepseek.com" in ctl("provider", "list", "--all").stdout


@pytest.mark.parametrize("command", ["disable", "remove"])
def test_combos_that_lose_an_account_are_named(ctl: Ctl, as_json, added, command) -> None:
    ctl("provider", "add", "groq", "--api-key", SECRET)
    ctl("combo", "add", "both", "openai/gpt-4o", "groq/llama-3.1-8b-instant")
    ctl("combo", "add", "alone", "openai/gpt-4o")
    ctl("combo", "add", "other", "groq/llama-3.1-8b-instant")
    shown = ctl("provider", command, "work").stdout
    assert "'both' used it: 1 target left" in shown
    assert "'alone' used it: nothing left" in shown
    assert "'other'" not in shown


def test_with_json_the_combos_are_named_too(ctl: Ctl, as_json, added) -> None:
    ctl("combo", "add", "alone", "openai/gpt-4o")
    assert as_json("provider", "disable", "work")["combos"] == ["alone"]


def test_a_working_account(ctl: Ctl, as_json, web: Web) -> None:
    ctl("provider", "add", "anthropic", "--api-key", SECRET, "--base-url", f"{web.url}/v1")
    web.answers["GET /v1/models"] = (200, '{"data": [{"id": "a"}, {"id": "b"}]}')
    found = as_json("provider", "test", "anthropic")
    assert found["ok"] is True
    assert found["models"] == 2
    assert web.asked[0][1]["x-api-key"] == SECRET
    assert "works: 2 models" in ctl("provider", "test", "anthropic").stdout


def test_a_refused_key(ctl: Ctl, as_json, web: Web) -> None:
    ctl("provider", "add", "openai", "--api-key", SECRET, "--base-url", f"{web.url}/v1")
    said = {"error": {"message": f"Incorrect API key provided: {SECRET}"}}
    web.answers["GET /v1/models"] = (401, json.dumps(said))
    result = ctl("provider", "test", "openai", code=1)
    assert "does not work: the key was refused: Incorrect API key provided: [hidden" in result.stdout
    assert SECRET not in result.output
    assert as_json("provider", "test", "openai", code=1)["status"] == 401


def test_a_named_model_is_asked(ctl: Ctl, as_json, web: Web) -> None:
    ctl("provider", "add", "openai", "--api-key", SECRET, "--base-url", f"{web.url}/v1")
    reply = {"id": "x", "object": "chat.completion", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "OK"}, "finish_reason": "stop"}]}  # fmt: skip
    web.answers["POST /v1/chat/completions"] = (200, json.dumps(reply))
    assert as_json("provider", "test", "openai", "--model", "openai/gpt-4o")["detail"] == "gpt-4o answered"
    ((_, headers, body),) = web.asked
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(body)["model"] == "gpt-4o"
    assert json.loads(body)["max_tokens"] == 16


def test_a_node_without_an_account_is_tested_with_no_key(ctl: Ctl, as_json, web: Web) -> None:
    ctl("node", "add", "home", "--dialect", "openai", "--base-url", f"{web.url}/v1")
    web.answers["GET /v1/models"] = (200, '{"data": []}')
    assert as_json("provider", "test", "home")["ok"] is True
    assert "authorization" not in web.asked[0][1]


def test_a_node_may_have_an_account_without_a_key(ctl: Ctl, as_json, web: Web) -> None:
    ctl("node", "add", "home", "--dialect", "openai", "--base-url", web.url)
    assert as_json("provider", "add", "home", input="")["key"] is None


@pytest.mark.parametrize("timeout", ["0", "-1", "soon"])
def test_a_timeout_that_is_none(refused, added, timeout) -> None:
    refused("provider", "test", "work", "--timeout", timeout, code=2)
