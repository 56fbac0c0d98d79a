"""`token` and `password`."""

import json

import pytest
from stand_ins import Ctl

from omniroute.store.db.database import Store
from omniroute.store.state import password, sessions

WORDS = "correct horse battery"


def test_the_token_is_printed_alone(ctl: Ctl, data_dir) -> None:
    token = ctl("token").stdout.strip()
    assert ctl("token").stdout == f"{token}\n"
    other = json.loads(ctl("token", "--rotate", "--json").stdout)["token"]
    assert other != token
    store = Store(data_dir)
    assert [sessions.is_token(store, each) for each in (token, other)] == [False, True]
    store.close()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_from_stdin(ctl: Ctl, data_dir, end: str) -> None:
    assert "ended" in ctl("password", "set", "--stdin", input=WORDS + end).stdout
    store = Store(data_dir)
    assert password.matches(store, WORDS)
    store.close()


def test_a_password_from_the_terminal_is_typed_twice(ctl: Ctl, refused, data_dir, monkeypatch) -> None:
    assert "--stdin" in refused("password", "set", code=2)
    monkeypatch.setattr("omniroute.cli.password.on_terminal", lambda: True)
    result = ctl("password", "set", input=f"{WORDS}\nother words\n{WORDS}\n{WORDS}\n")
    assert WORDS not in result.output
    store = Store(data_dir)
    assert password.matches(store, WORDS)
    store.close()


@pytest.mark.parametrize("text", ["", "short", "changeme"])
def test_a_password_that_may_not_be_changes_nothing(refused, data_dir, text: str) -> None:
    assert "the password" in refused("password", "set", "--stdin", input=text)
    store = Store(data_dir)
    assert not password.is_set(store)
    store.close()
