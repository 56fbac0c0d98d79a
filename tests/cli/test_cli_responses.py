"""responses: what is kept is listed without a word of it, and forgotten."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Ctl

from omniroute.store.config import keys
from omniroute.store.db.database import Store
from omniroute.store.state import conversations
from omniroute.store.state.conversations import StoredReply


@pytest.fixture
def two(data_dir: Path) -> str:
    """Keep two replies, one of them a key's, and give that key's id."""
    store = Store(data_dir)
    try:
        key, _ = keys.create(store, "laptop")
        for exchange, owner in (("a", ""), ("b", key.id)):
            one = StoredReply(
                exchange, exchange, None, f"resp_{exchange}", owner, "acc", False, time.time(), b"a-secret-word"
            )
            conversations.keep(store, one, conversations.seal(store, one), time.time() + 60)
    finally:
        store.close()
    return key.id


def test_nothing_is_kept_at_first(ctl: Ctl, as_json: Callable[..., Any]) -> None:
    assert as_json("responses", "list") == []
    assert "No replies are kept" in ctl("responses", "list").stdout


def test_the_list_says_whose_and_how_long_but_not_what(ctl: Ctl, as_json: Callable[..., Any], two: str) -> None:
    shown = ctl("responses", "list").stdout
    assert "resp_a" in shown
    assert "no key" in shown
    assert "laptop" in shown
    assert "secret" not in shown
    found = as_json("responses", "list")
    assert [(row["id"], row["key"]) for row in found] == [("resp_b", two), ("resp_a", None)]
    assert all(row["bytes"] > 0 and row["at"] < row["until"] for row in found)


def test_status_counts_them(ctl: Ctl, as_json: Callable[..., Any], two: str) -> None:
    found = as_json("status")
    assert (found["kept_responses"], found["kept_bytes"] > 0) == (2, True)
    assert "2 kept" in ctl("status").stdout


def test_one_is_forgotten_or_all(ctl: Ctl, as_json: Callable[..., Any], refused: Callable[..., str], two: str) -> None:
    assert as_json("responses", "forget", "resp_b") == {"forgotten": 1}
    assert "no reply 'resp_b'" in refused("responses", "forget", "resp_b")
    assert "Forgotten: 1." in ctl("responses", "forget", "--all").stdout
    assert as_json("responses", "list") == []


@pytest.mark.parametrize("words", [(), ("resp_a", "--all")])
def test_what_to_forget_must_be_said(refused: Callable[..., str], words: tuple[str, ...]) -> None:
    assert "say the ID of a reply, or --all" in refused("responses", "forget", *words, code=2)
