"""Network proxies at rest: sealed, bound to their place, gone with what they were for."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from cases import every

from omniroute.netproxy.proxy_url import read_proxy
from omniroute.store.config import accounts, combos, nodes, proxies, rows, snapshot
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError

URL = "http://Quagga7f3K:Okapi%2F9mN3b@proxy.example:3128"


@pytest.fixture
def full(store: Store) -> Store:
    nodes.add(store, "home", "openai", "http://127.0.0.1:9/v1")
    accounts.add(store, "openai", api_key="k" * 20, name="main")
    combos.add(store, "duo", ["openai/gpt-5.5", "home/m"])
    return store


def test_each_level_is_kept_and_counts_a_revision(full: Store) -> None:
    account = accounts.find(full, "main").id
    before = full.revision()
    for level, ref in (("account", "main"), ("combo", "duo"), ("provider", "openai"), ("provider", "home")):
        proxies.put(full, level, ref, URL)
    proxies.put(full, "global", None, "direct")
    assert full.revision() >= before + 5
    config, opened = snapshot.load(full), snapshot.proxies(full)
    locked = [("account", account), ("combo", "duo"), ("provider", "openai"), ("provider", "home")]
    assert config.proxies == dict.fromkeys(locked, read_proxy(URL).bare()) | {("global", ""): None}
    assert opened == dict.fromkeys(locked, read_proxy(URL))
    assert "Okapi" not in repr(config)
    proxies.put(full, "provider", "openai", "socks5://other")
    assert str(snapshot.load(full).proxies["provider", "openai"]) == "socks5://other:1080"
    assert snapshot.proxies(full)["provider", "openai"].credential == ""


def test_what_opens_it_is_not_on_the_disk(full: Store, open_store: Callable[..., Store]) -> None:
    proxies.put(full, "global", None, URL)
    full.close()
    for file in full.path.parent.rglob("*"):
        if file.is_file():
            said = file.read_bytes()
            assert not any(secret in said for secret in (b"Quagga", b"Okapi")), file
    assert snapshot.proxies(open_store())["global", ""] == read_proxy(URL)


@pytest.mark.parametrize("change", ["url = 'http://evil.example:3128'", "level = 'provider', ref = 'openai'"])
def test_a_password_does_not_open_another_proxy_or_place(full: Store, change: str) -> None:
    proxies.put(full, "global", None, URL)
    with closing(sqlite3.connect(full.path)) as db, db:
        db.execute(f"update network_proxies set {change}")
    with pytest.raises(StoreError, match="cannot be decrypted: its row was changed by something else; set the proxy"):
        snapshot.proxies(full)


def test_it_goes_with_what_it_was_for(full: Store) -> None:
    for level, ref in (("account", "main"), ("combo", "duo"), ("provider", "home"), ("provider", "openai")):
        proxies.put(full, level, ref, URL)
    accounts.remove(full, accounts.find(full, "main").id)
    combos.remove(full, "duo")
    nodes.remove(full, "home")
    assert set(rows.proxies(full)) == {("provider", "openai")}


def test_clearing(full: Store) -> None:
    proxies.put(full, "account", "main", URL)
    assert proxies.clear(full, "account", "main") == ("account", accounts.find(full, "main").id)
    assert not rows.proxies(full)
    with pytest.raises(StoreError, match="has no proxy of its own"):
        proxies.clear(full, "global", None)


@every(
    ("level", "ref", "url", "says"),
    [
        ("account", "nobody", URL, "no account 'nobody'"),
        ("combo", "dua", URL, "no combo 'dua'.*duo"),
        ("provider", "opnai", URL, "opnai.*openai"),
        ("account", None, URL, "say which account"),
        ("global", "openai", URL, "takes no name"),
        ("planet", "x", URL, "'planet' is no level: it is one of account, combo, provider, global"),
        ("global", None, "ftp://x", "scheme 'ftp'.*or direct"),
        ("global", None, "Direct!", "has no scheme"),
    ],
)
def test_what_is_refused_changes_nothing(full: Store, level: str, ref: str | None, url: str, says: str) -> None:
    proxies.put(full, "combo", "duo", "http://kept:1")
    before = full.revision()
    with pytest.raises(StoreError, match=says):
        proxies.put(full, level, ref, url)
    assert full.revision() == before
    assert len(rows.proxies(full)) == 1
