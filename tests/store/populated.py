"""A store in which every table has rows, and everything in it that nobody else may know."""

import json
from dataclasses import dataclass, field

from omniroute.catalog.provider import Model
from omniroute.config.model import Limit
from omniroute.store.config import (
    accounts,
    aliases,
    chains,
    combos,
    custom_models,
    ip_filter,
    keys,
    limits,
    nodes,
    proxies,
)
from omniroute.store.config import settings as kept
from omniroute.store.db.database import Store
from omniroute.store.state import password, sessions

SAID = "what the user said in confidence"
"""Stands where texts of conversations and errors stand."""


@dataclass
class Populated:
    """What was put in."""

    account: str = ""
    secrets: list[bytes] = field(default_factory=list)
    """As they are, and as they are kept."""


def populate(store: Store) -> Populated:
    """Fill every table; what has no function here is filled by hand, column by column."""
    made = Populated()
    key = "sk-provider-0123456789abcdef"
    made.account = accounts.add(store, "openai", api_key=key, name="mine").id
    accounts.add(store, "anthropic", api_key="sk-ant-other-9876543210", name=f"called {key}")
    nodes.add(store, "home", "openai", "http://127.0.0.1:9/v1")
    combos.add(store, "fast", ["openai/gpt-4o"])
    aliases.add(store, "gpt-*", "home/m")
    chains.add(store, "last", ["home/m"])
    custom_models.add(store, "home", Model("m"))
    kept.put(store, "strategy", "round-robin")
    kept.block(store, "groq")
    kept.reset_health(store, [])
    proxies.put(store, "global", None, "http://someone:proxy-password-77@127.0.0.1:3128")
    limits.put(store, made.account, Limit(rpm=5))
    ip_filter.put(store, "deny", ["203.0.113.0/24"])
    _, shown = keys.create(store, "client")
    password.put(store, "correct-horse-battery")
    cookie = sessions.begin(store)
    made.secrets = [text.encode() for text in (key, "sk-ant-other-9876543210", "proxy-password-77", shown, SAID)]
    made.secrets += [sessions.token(store).encode(), cookie.encode(), cookie.rpartition(".")[0].encode()]
    with store.change():
        _fill(store, "usage_history")  # triggers add it up
        for table in _empty(store):
            _fill(store, table)
        db = store.db.connection()
        for table, column in _blobs(store):
            made.secrets += [bytes(row[0]) for row in db.execute(f"select {column} from {table}") if row[0]]
        made.secrets += [row[0].encode() for row in db.execute("select hint from api_keys")]
    return made


def _empty(store: Store) -> list[str]:
    db = store.db.connection()
    names = [row[0] for row in db.execute("select name from sqlite_master where type = 'table'")]
    return [name for name in names if not db.execute(f"select 1 from {name}").fetchone()]


def _fill(store: Store, table: str) -> None:
    """Put one row in; texts that an export may have say what they are, all others what was said."""
    from omniroute.store.transfer.table_policy import POLICIES

    found = store.db.connection().execute(f"pragma table_info({table})").fetchall()
    row: dict[str, object] = {}
    for _, name, kind, *_ in found:
        shown = name in POLICIES[table].shown
        row[name] = {"text": name if shown else SAID, "integer": 1, "real": 1.0, "blob": SAID.encode()}[kind.lower()]
    if "attempts" in row:
        row |= {"attempts": json.dumps([{"detail": SAID}]), "dropped": json.dumps([SAID])}
    sql = f"insert or ignore into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})"
    store.run_many(sql, [tuple(row.values())])


def _blobs(store: Store) -> list[tuple[str, str]]:
    db = store.db.connection()
    tables = [row[0] for row in db.execute("select name from sqlite_master where type = 'table'")]
    return [
        (table, row[1])
        for table in tables
        for row in db.execute(f"pragma table_info({table})").fetchall()
        if row[2].lower() == "blob"
    ]
