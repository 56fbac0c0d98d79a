"""Aliases, chains, models, settings, blocked providers and the strategies of combos, at the command line."""

import json

import pytest
from cases import every

from omniroute.config.settings_registry import SETTINGS


def words(result) -> str:
    return " ".join(result.stdout.split())


def test_an_alias_from_first_to_last(ctl, as_json, home) -> None:
    assert "omniroute-ctl alias add" in ctl("alias", "list").stdout
    assert as_json("alias", "add", "fast", "home/a") == {"pattern": "fast", "target": "home/a"}
    ctl("alias", "add", "gpt-*", "fast")
    assert as_json("alias", "list") == [
        {"pattern": "fast", "target": "home/a"},
        {"pattern": "gpt-*", "target": "fast"},
    ]
    assert "gpt-* fast" in words(ctl("alias", "list"))
    ctl("alias", "add", "g*", "home/b")
    shown = words(ctl("route", "explain", "gpt-5"))
    assert shown.startswith("gpt-5 → fast → home/a by the alias gpt-*, which is more specific, or older, than g* ")
    assert as_json("route", "explain", "gpt-5")["passed_over"] == [{"pattern": "g*", "target": "home/b"}]
    assert as_json("alias", "remove", "FAST") == {"removed": "FAST"}


@every(
    ("line", "code", "says"),
    [
        ("alias add fast nothing", 1, "the model 'nothing' is unknown"),
        ("alias add fast fast", 1, "lead back to itself"),
        ("alias add home/x home/a", 1, "would never act"),
        ("alias add fast", 2, "TARGET"),
        ("alias remove fast", 1, "there is no alias 'fast'"),
        ("chain add c", 2, "MODEL"),
        ("chain add c c", 1, "names itself"),
        ("chain add c gone/x", 1, "no known provider"),
        ("chain show c", 1, "there is no chain 'c'"),
        ("chain remove c", 1, "there is no chain 'c'"),
        ("model add nobody x", 1, "there is no provider or node 'nobody'"),
        ("model add home x --context 0", 2, "--context"),
        ("model add home x --context many", 2, "--context"),
        ("model remove home x", 1, "no model 'x' was added to home"),
        ("settings get stratgy", 1, "did you mean 'strategy'"),
        ("settings set strategy telepathy", 1, "is one of fill-first"),
        ("settings set strategy", 2, "say a value, or --default"),
        ("settings set strategy p2c --default", 2, "say a value, or --default"),
        ("settings set sticky_limit -- -1", 1, "takes a whole number"),
        ("provider block nobody", 1, "there is no provider or node 'nobody'"),
        ("provider unblock home", 1, "home is not blocked"),
        ("combo add c home/a --weight home/a", 2, "say MODEL=N"),
        ("combo add c home/a --weight home/a=much", 2, "say MODEL=N"),
        ("combo add c home/a --weight home/a=-1", 1, "the weight of 'home/a' is -1"),
        ("combo add c home/a --weight home/b=1", 1, "does not list it"),
        ("combo add c home/a --retries 11", 2, "--retries"),
        ("combo add c home/a --retry-delay 99", 1, "retry_delay takes seconds"),
        ("combo add c home/a --idle-timeout 0", 1, "idle_timeout takes seconds"),
        ("combo add c c", 1, "lead back to itself"),
        ("combo edit gone --retries 1", 1, "there is no combo 'gone'"),
        ("route explain home/a --body missing.json", 2, "missing.json"),
    ],
)
def test_what_cannot_be(refused, home, line: str, code: int, says: str) -> None:
    assert says in refused(*line.split(), code=code)


def test_a_chain_from_first_to_last(ctl, as_json, home) -> None:
    assert "omniroute-ctl chain add" in ctl("chain", "list").stdout
    added = as_json("chain", "add", "last", "home/z", "openai/gpt-4o", "--for", "home/*")
    assert added == {"name": "last", "models": ["home/z", "openai/gpt-4o"], "serves": ["home/*"]}
    assert as_json("chain", "list") == [added]
    assert as_json("chain", "show", "last") == added
    assert "last home/* home/z, openai/gpt-4o" in words(ctl("chain", "list"))
    assert "1 home/z can be asked" in words(ctl("chain", "show", "last"))
    made = as_json("route", "explain", "home/a")
    assert [target["target"] for target in made["targets"]] == ["home/a", "home/z"]
    assert made["targets"][1]["why"].startswith("step 1 of the chain last")
    assert as_json("chain", "remove", "last") == {"removed": "last"}
    assert "Left out for now" not in ctl("chain", "add", "all", "home/z").stderr


def test_a_model_from_first_to_last(ctl, as_json, home, tmp_path) -> None:
    assert "omniroute-ctl model add" in ctl("model", "list").stdout
    added = as_json("model", "add", "home", "tiny", "--context", "1000", "--no-images", "--tools", "--name", "Tiny")
    assert added == {
        **{"provider": "home", "id": "tiny", "name": "Tiny", "context": 1000, "max_output": None},
        **{"images": False, "tools": True},
    }
    assert as_json("model", "list") == [added]
    assert "home tiny Tiny 1,000 – no yes" in words(ctl("model", "list"))
    assert as_json("route", "explain", "tiny")["targets"][0]["target"] == "home/tiny"
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}
    (tmp_path / "body.json").write_text(json.dumps({"messages": [picture]}))
    made = as_json("route", "explain", "tiny", "--body", str(tmp_path / "body.json"))
    assert made["targets"] == []
    assert [left["why"] for left in made["left_out"]] == ["takes no pictures, and the request shows one"]
    assert as_json("model", "remove", "home", "tiny") == {"removed": "tiny", "provider": "home"}


@pytest.mark.parametrize("body", ["nonsense", "[]"])
def test_a_body_that_is_none(refused, home, tmp_path, body: str) -> None:
    (tmp_path / "body.json").write_text(body)
    assert "JSON" in refused("route", "explain", "home/a", "--body", str(tmp_path / "body.json"), code=1)


def test_settings_from_first_to_last(ctl, as_json, home) -> None:
    assert ctl("settings", "get", "strategy").stdout == "fill-first\n"
    assert as_json("settings", "set", "strategy", "p2c") == {"strategy": "p2c"}
    assert "strategy.home is random from now on." in ctl("settings", "set", "strategy.home", "random").stdout
    ctl("settings", "set", "combo.idle_timeout", "2.5")
    everything = as_json("settings", "get")
    assert everything.keys() == {*SETTINGS, "strategy.home"}
    found = {
        **{"strategy": "p2c", "sticky_limit": 3, "affinity": True, "strategy.home": "random"},
        **{"cooldowns": True, "cooldown_wait": 10, "queue.size": 1000},
        **{"deadlines.queue": 30, "deadlines.connect": 10, "deadlines.first_byte": 120, "deadlines.idle": 300},
        **{"deadlines.first_content": 600, "deadlines.total": 0, "deadlines.thinking": 3},
        **{"combo.strategy": "priority", "combo.retries": 0, "combo.retry_delay": 0, "combo.idle_timeout": 2.5},
        **dict.fromkeys(("combo.connect_timeout", "combo.first_byte_timeout", "combo.first_content_timeout")),
        **dict.fromkeys(("combo.queue_timeout", "combo.total_timeout")),
    }
    assert found.items() <= everything.items()
    shown = words(ctl("settings", "get"))
    assert "strategy.home random set The same for home alone." in shown
    assert "affinity on default" in shown
    assert "combo.connect_timeout as for all requests default" in shown
    assert as_json("settings", "set", "strategy", "--default") == {"strategy": "fill-first"}


def test_a_provider_is_blocked(ctl, as_json, home) -> None:
    ctl("combo", "add", "c", "home/a")
    assert as_json("provider", "block", "home") == {"provider": "home", "blocked": True, "combos": ["c"]}
    assert as_json("route", "explain", "c")["left_out"][0]["why"] == "Home is blocked"
    assert "may be asked again" in ctl("provider", "unblock", "home").stdout
    assert as_json("route", "explain", "c")["targets"]


def test_a_combo_with_all_its_options(ctl, as_json, home) -> None:
    ctl("combo", "add", "inner", "home/x", "home/y")
    options = (
        "--strategy weighted --weight home/a=3 --weight inner=0.5 --retries 2 --retry-delay 0.25 --connect-timeout 1 "
        "--hedge --no-resume"
    )
    added = as_json("combo", "add", "best", "home/a", "inner", *options.split())
    assert added == {
        **{"name": "best", "models": ["home/a", "inner"], "strategy": "weighted"},
        **{"weights": {"home/a": 3.0, "inner": 0.5}, "retries": 2, "retry_delay": 0.25, "hedge": True, "resume": False},
        "deadlines": {"connect": 1.0},
    }
    shown = words(ctl("combo", "show", "best"))
    assert "weight inner=0.5" in shown
    assert "retries 2 retry delay 0.25 s hedge on resume off connect 1 s" in shown
    assert as_json("combo", "edit", "best", "--no-hedge")["hedge"] is False
    assert as_json("combo", "edit", "best", "--hedge")["hedge"] is True
    assert as_json("combo", "edit", "best", "--resume")["resume"] is True
    assert as_json("combo", "edit", "best", "--no-resume")["resume"] is False
    edited = as_json("combo", "edit", "best", "--strategy", "random", "--idle-timeout", "5")
    assert edited == added | {"strategy": "random", "deadlines": {"connect": 1.0, "idle": 5.0}}
    edited = as_json("combo", "edit", "best", "home/a", "home/b")
    assert (edited["models"], edited["weights"]) == (["home/a", "home/b"], {"home/a": 3.0})
    edited = as_json("combo", "edit", "best", "--default", "--retries", "1")
    assert edited == {
        **{"name": "best", "models": ["home/a", "home/b"], "strategy": None, "weights": {}},
        **{"retries": 1, "retry_delay": None, "hedge": None, "resume": None, "deadlines": {}},
    }
    assert "best as set for all home/a, home/b" in words(ctl("combo", "list"))


def test_who_is_hedged(ctl, as_json, home) -> None:
    ctl("node", "add", "far", "--dialect", "openai", "--base-url", "http://127.0.0.1:2/v1")
    ctl("combo", "add", "c", "home/a", "home/b", "far/c")
    said = "The next account is asked too when one of these is later than 95 of 100 of its answers, and than 1 s"
    assert said not in words(ctl("route", "explain", "c"))
    ctl("settings", "set", "hedge.enabled", "on")
    assert f"{said}: 1, 2" in words(ctl("route", "explain", "c"))
    ctl("combo", "edit", "c", "--no-hedge")
    assert said not in words(ctl("route", "explain", "c"))
    assert [each["hedge"] for each in as_json("route", "explain", "c")["targets"]] == [
        {"enabled": False, "by": "the combo c"}
    ] * 3
    ctl("combo", "edit", "c", "--default")
    ctl("settings", "set", "combo.hedge", "on")
    ctl("settings", "set", "hedge.enabled", "off")
    assert f"{said}: 1 (all combos), 2 (all combos)" in words(ctl("route", "explain", "c"))


def test_who_is_gone_on_from(ctl, as_json, home) -> None:
    ctl("combo", "add", "c", "home/a", "home/b")
    said = "The next goes on with a streamed text that one of these has broken off"
    assert said not in words(ctl("route", "explain", "c"))
    ctl("combo", "edit", "c", "--resume")
    assert f"{said}: 1 (the combo c)" in words(ctl("route", "explain", "c"))
    assert [each["resume"] for each in as_json("route", "explain", "c")["targets"]] == [
        {"enabled": True, "by": "the combo c"}
    ] * 2
    ctl("combo", "edit", "c", "--default")
    ctl("settings", "set", "resume.enabled", "on")
    assert f"{said}: 1" in words(ctl("route", "explain", "c"))
    ctl("settings", "set", "combo.resume", "off")
    assert said not in words(ctl("route", "explain", "c"))


def test_deadlines_of_a_provider(ctl, as_json, refused, home) -> None:
    assert as_json("settings", "get", "deadlines.home.idle") == {"deadlines.home.idle": 300}
    assert "deadlines.home.idle is 20 from now on." in ctl("settings", "set", "deadlines.home.idle", "20").stdout
    assert as_json("settings", "set", "deadlines.home.total", "90") == {"deadlines.home.total": 90}
    ctl("settings", "set", "deadlines.first_content", "50")
    assert "deadlines.home.idle 20 set The same for home alone." in words(ctl("settings", "get"))
    ctl("combo", "add", "c", "home/a", "home/o3", "--total-timeout", "60")
    plain, thinking = (each["deadlines"] for each in as_json("route", "explain", "c")["targets"])
    assert plain["idle"] == {"seconds": 20, "by": "home", "thinking": False}
    assert thinking["idle"] == {"seconds": 60, "by": "home", "thinking": True}
    assert plain["total"] == thinking["total"] == {"seconds": 60, "by": "the combo c", "thinking": False}
    assert plain["first_content"]["by"] == "all"
    shown = words(ctl("route", "explain", "c"))
    assert "Deadlines of 1: queue 30 s, connect 10 s, first byte 120 s, first content 50 s, idle 20 s (home)" in shown
    assert "total 60 s (the combo c)" in shown
    assert "idle 60 s (home, it thinks)" in shown
    assert as_json("settings", "set", "deadlines.home.idle", "--default") == {"deadlines.home.idle": 300}
    for name, value, said in (
        ("deadlines.home.idle", "0", "takes seconds from 0.001 to 86400, not '0'"),
        ("deadlines.home.lunch", "1", "there is no setting 'deadlines.home.lunch'"),
        ("deadlines.nowhere.idle", "1", "nowhere"),
        ("deadlines.total", "1e9", "deadlines.total takes seconds from 0 to 86400"),
    ):
        assert said in refused("settings", "set", name, value)
    assert as_json("settings", "get")["deadlines.home.total"] == 90, "what was refused has changed nothing"
    ctl("combo", "remove", "c")
    ctl("node", "remove", "home")
    assert "deadlines.home.total" not in as_json("settings", "get")
