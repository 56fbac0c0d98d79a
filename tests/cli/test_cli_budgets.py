"""`omniroute-ctl budget …`, `price …` and `usage reprice`."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cases import every
from stand_ins import Web

from omniroute.cli.gateway_process import FILE
from omniroute.dialects.ir import Usage
from omniroute.store.config import budgets
from omniroute.store.db.database import Store
from omniroute.store.history import usage
from omniroute.store.history.reprice import PIECE, reprice
from omniroute.store.history.usage import UsageRow

ROW = UsageRow(
    id="r", at=0.0, key_id=None, key_name=None, account_id="a", account_name="a", provider="openai",
    model_asked="x", model_served="openai/gpt-4o", combo=None, client_dialect="openai", upstream_dialect="openai",
    path="/", streamed=False, status=200, error=None, input=1_000_000, output=0, cache_read=None, cache_write=None,
    reasoning=None, cost=1.0, attempts=(), latency_ms=1.0, ttft_ms=None, overhead_ms=None, dropped=(),
)  # fmt: skip


@pytest.fixture
def laptop(as_json) -> str:
    return str(as_json("key", "create", "laptop")["id"])


def write(data_dir: Path, *rows: UsageRow) -> None:
    store = Store(data_dir)
    usage.record(store, rows)
    store.close()


def test_budgets_from_first_to_last(ctl, as_json, refused, laptop, data_dir: Path) -> None:
    assert "No budgets." in ctl("budget", "show").stdout
    said = ctl("budget", "set", "laptop", "$5", "--period", "daily").stdout
    assert said == "laptop may spend $5.00 daily from now on.\n"
    now = time.time()
    write(data_dir, replace(ROW, at=now, key_id=laptop, cost=4.5), replace(ROW, id="s", at=now, key_id="other"))
    set_ = as_json("budget", "set", "laptop", "100", "--period", "monthly", "--warn", "3%")
    assert (set_["spent"], set_["limit"], set_["state"]) == (4.5, 100, "warn")
    daily, monthly = as_json("budget", "show", "laptop")
    assert (daily["period"], daily["part"], daily["left"], daily["state"]) == ("daily", 0.9, 0.5, "warn")
    assert daily["warn"] == 0.8
    assert daily["resets_at"] > daily["began_at"]
    assert monthly["resets_at"] >= daily["resets_at"]
    shown = ctl("budget", "show").stdout
    assert "██████████████████░░  90%" in shown
    assert "over 80%" in shown
    ctl("budget", "set", "laptop", "4.5", "--period", "daily")
    assert "spent: requests are refused" in ctl("budget", "show").stdout
    assert as_json("budget", "set", "laptop", "200", "--period", "monthly")["warn"] == 0.03, "what is not said stays"
    assert as_json("budget", "clear", "laptop", "--period", "daily")["cleared"] == ["daily"]
    assert ctl("budget", "clear", "laptop").stdout == "laptop has no monthly budget any more.\n"
    assert "laptop has no budget" in refused("budget", "clear", "laptop")


def test_what_is_set_aside_is_asked_of_the_running_gateway(ctl, as_json, laptop, data_dir: Path, web: Web) -> None:
    ctl("budget", "set", "laptop", "5", "--period", "daily")
    assert as_json("budget", "show")[0]["set_aside"] is None, "nobody knows"
    said = {"pid": os.getpid(), "host": "127.0.0.1", "port": web.port, "web_url": None, "started_at": time.time()}
    (data_dir / FILE).write_text(json.dumps(said), "utf-8")
    web.answers["GET /api/usage/budget"] = (
        200,
        json.dumps({"budgets": [{"keyId": laptop, "period": "daily", "setAside": 1.5}]}),
    )
    [shown] = as_json("budget", "show")
    assert (shown["set_aside"], shown["left"], shown["spent"]) == (1.5, 3.5, 0)
    assert "$1.50 more is set aside" in ctl("budget", "show").stdout
    assert next(head for line, head, _ in web.asked if "budget" in line)["authorization"].startswith("Bearer ")
    web.answers["GET /api/usage/budget"] = 503, "starting"
    assert as_json("budget", "show")[0]["set_aside"] is None


def test_estimates_and_requests_without_a_key_are_shown(as_json, laptop, data_dir: Path) -> None:
    as_json("budget", "set", "-", "1", "--period", "weekly")
    store = Store(data_dir)
    budgets.record(store, [budgets.Estimate("e", "", time.time(), 0.25)])
    store.close()
    write(data_dir, replace(ROW, at=time.time(), cost=None))
    [shown] = as_json("budget", "show", "-")
    assert (shown["key"], shown["key_id"], shown["spent"], shown["estimated"]) == ("no key", None, 0.25, 0.25)
    assert shown["unpriced"] == 1


def test_the_zone_of_budgets_is_a_setting(ctl, as_json, laptop, refused) -> None:
    ctl("budget", "set", "laptop", "1", "--period", "daily")
    ctl("settings", "set", "budget.zone", "Asia/Tokyo")
    [shown] = as_json("budget", "show")
    assert (shown["zone"], shown["began_at"][11:19]) == ("Asia/Tokyo", "15:00:00")
    assert "JST" in ctl("budget", "show").stdout
    assert "budget.zone takes local or a time zone" in refused("settings", "set", "budget.zone", "Moon/Base")
    assert as_json("settings", "get", "budget.zone") == {"budget.zone": "Asia/Tokyo"}


@every(
    ("words", "code", "said"),
    [
        (["laptop", "-5", "--period", "daily"], 1, "a budget cannot be -5"),
        (["laptop", "0", "--period", "daily"], 1, "a budget cannot be 0"),
        (["laptop", "1e9", "--period", "daily"], 2, "'1e9' is no amount of money"),
        (["laptop", "2000000", "--period", "daily"], 1, "a budget cannot be 2e+06: it takes 0.000001 to 1,000,000 USD"),
        (["laptop", "nan", "--period", "daily"], 2, "'nan' is no amount of money"),
        (["laptop", "5", "--period", "hourly"], 1, "there is no period 'hourly': it takes one of daily, weekly, mon"),
        (["laptop", "5"], 2, "Missing option '--period'"),
        (["laptop", "5", "--period", "daily", "--warn", "0"], 1, "the threshold cannot be 0 %"),
        (["laptop", "5", "--period", "daily", "--warn", "120%"], 1, "the threshold cannot be 120 %"),
        (["laptop", "5", "--period", "daily", "--warn", "most"], 2, "'most' is no percentage"),
        (["latpop", "5", "--period", "daily"], 1, "there is no live key 'latpop'; did you mean 'laptop'?"),
    ],
)
def test_what_is_no_budget_is_refused_and_nothing_changes(refused, as_json, laptop, words, code, said) -> None:
    as_json("budget", "set", "laptop", "7", "--period", "daily")
    assert said in refused("budget", "set", *words, code=code)
    assert [(row["period"], row["limit"], row["warn"]) for row in as_json("budget", "show")] == [("daily", 7, 0.8)]


def test_prices_from_first_to_last(ctl, as_json, refused, home) -> None:
    said = ctl("price", "set", "openai/gpt-4o", "--input", "0.005/1K", "--cache-read", "$1/1M").stdout
    assert said == "openai/gpt-4o costs input $5, cache read $1 for a million tokens from now on.\n"
    assert as_json("price", "set", "home/*", "--output", "2/1M")["model"] == "home/*"
    ctl("model", "add", "home", "m")
    ctl("combo", "add", "pair", "home/other", "gemini/gemini-2.5-pro")
    rows = {row["model"]: row for row in as_json("price", "list")}
    assert rows["openai/gpt-4o"]["input"] == 5
    assert rows["openai/gpt-4o"]["output"] == 10, "the library's"
    assert (rows["openai/gpt-4o"]["set"], rows["openai/gpt-4o"]["by"]) == (["input", "cache_read"], "set by you")
    assert (rows["home/*"]["output"], rows["home/*"]["known"]) == (2, None)
    assert (rows["home/m"]["output"], rows["home/m"]["known"]) == (2, False)
    assert rows["gemini/gemini-2.5-pro"]["input"]["over"], "the library's tiers are shown"
    assert {row["model"] for row in as_json("price", "list", "--unknown")} == {"home/m", "home/other"}
    assert "unknown: set --input and --output" in ctl("price", "list", "home").stdout
    assert "gpt-4o" in ctl("price", "list", "--all").stdout
    as_json("price", "set", "home/*", "--input", "0/1M")
    assert ctl("price", "list", "--unknown").stdout == "Every model has a price.\n"
    assert as_json("price", "reset", "openai/gpt-4o") == {"reset": ["openai/gpt-4o"]}
    assert "no price is set for 'openai/gpt-4o'" in refused("price", "reset", "openai/gpt-4o")
    assert as_json("price", "reset", "--all") == {"reset": ["home/*"]}


def test_models_that_were_asked_without_a_price_are_listed(as_json, home, data_dir: Path) -> None:
    write(data_dir, replace(ROW, provider="home", model_served="home/llama/3:8b", cost=None))
    assert [row["model"] for row in as_json("price", "list", "--unknown")] == ["home/llama/3:8b"]
    as_json("price", "set", "home/llama/3:8b", "--input", "1/1M", "--output", "1/1M")
    assert as_json("price", "list", "--unknown") == []


@every(
    ("words", "code", "said"),
    [
        (["openai/gpt-4o", "--input", "2.5"], 2, "'2.5' says not for how many tokens: say 2.5/1M or 0.0025/1K, in USD"),
        (["openai/gpt-4o", "--input", "2.5/1G"], 2, "'2.5/1G' is no price"),
        (["openai/gpt-4o", "--input", "cheap/1M"], 2, "'cheap/1M' is no price"),
        (["openai/gpt-4o", "--output", "-1/1M"], 1, "the price of output cannot be -1: it takes 0 to 100,000 USD"),
        (["openai/gpt-4o", "--reasoning", "1000/1K"], 1, "the price of reasoning cannot be 1e+06"),
        (["openai/gpt-4o"], 2, "say a price, such as --input 2.5/1M"),
        (["gpt-4o", "--input", "1/1M"], 1, "'gpt-4o' names no model: say PROVIDER/MODEL"),
        (["opnai/gpt-4o", "--input", "1/1M"], 1, "there is no provider or node 'opnai'; did you mean 'openai'?"),
    ],
)
def test_what_is_no_price_is_refused_and_nothing_changes(refused, as_json, words, code, said) -> None:
    as_json("price", "set", "openai/gpt-4o", "--input", "7/1M")
    assert said in refused("price", "set", *words, code=code)
    [row] = as_json("price", "list")
    assert (row["input"], row["set"]) == (7, ["input"])


def test_history_is_priced_anew(ctl, as_json, refused, data_dir: Path) -> None:
    now = time.time()
    write(
        data_dir,
        *(replace(ROW, id=f"r{n}", at=now - 100 + n / 1000) for n in range(PIECE + 10)),
        replace(ROW, id="old", at=now - 10 * 86400),
        replace(ROW, id="gone", at=now - 50, provider="a-node-that-is-gone", cost=3.0),
        replace(ROW, id="other", at=now - 50, model_served="openai/gpt-4o-mini", cost=None),
        replace(ROW, id="nobody", at=now - 50, provider=None, model_served=None, cost=None),
    )
    done = as_json("usage", "reprice", "--since", "1d", "--model", "openai/gpt-4o")
    assert (done["rows"], done["changed"], done["before"]) == (PIECE + 10, PIECE + 10, PIECE + 10)
    assert done["after"] == pytest.approx((PIECE + 10) * 2.5)
    assert as_json("usage", "reprice", "--since", "1d", "--model", "openai/gpt-4o")["changed"] == 0
    done = as_json("usage", "reprice")
    assert (done["changed"], done["unknown_before"], done["unknown_after"]) == (2, 1, 0)
    total = as_json("usage", "--since", "20d")["total"]
    assert total["cost"] == pytest.approx((PIECE + 11) * 2.5 + 0.15 + 3.0), "sums follow, and what is gone keeps"
    assert "0 of 2,012 exchanges cost something else now." in ctl("usage", "reprice").stdout
    assert "names no model" in refused("usage", "reprice", "--model", "gpt-4o")


def test_pieces_leave_room_for_who_else_writes(data_dir: Path) -> None:
    store = Store(data_dir)
    usage.record(store, [replace(ROW, id=f"r{n:05}", at=5.0) for n in range(3 * PIECE)])
    written: list[str] = []

    def meanwhile(seconds: float) -> None:
        other = Store(data_dir)
        usage.record(other, [replace(ROW, id=f"new{len(written)}", at=6.0)])
        other.close()
        written.append("row")

    def price(provider: str, model: str, used: Usage, at: float) -> float:
        return 2.0

    done = reprice(store, price, ["openai"], since=0.0, pause=meanwhile)
    assert done.changed >= 3 * PIECE, "rows of one moment are each seen once, over the edges of pieces"
    assert done.rows - 3 * PIECE <= len(written)
    assert len(written) >= 3
    store.close()
