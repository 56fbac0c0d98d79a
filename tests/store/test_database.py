import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from omniroute.store.config import accounts, combos, keys, nodes, snapshot
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError

Open = Callable[..., Store]

FIRST_START = """
import sys
from pathlib import Path
from omniroute.store.config import accounts
from omniroute.store.db.database import Store
sys.stdin.readline()
store = Store(Path(sys.argv[1]), environ={})
accounts.add(store, "openai", api_key="sk-" + sys.argv[2], name=sys.argv[2])
print(store.digest("x").hex())
store.close()
"""
CHANGES = """
import sys
from pathlib import Path
from omniroute.store.config import accounts
from omniroute.store.db.database import Store
store = Store(Path(sys.argv[1]), environ={})
for number in range(int(sys.argv[3])):
    account = accounts.add(store, "openai", api_key="sk-x", name=f"{sys.argv[2]}-{number}")
    accounts.set_enabled(store, account.id, False)
store.close()
"""


def start(script: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_start_together_agree(open_store: Open, data_dir: Path) -> None:
    started = [start(FIRST_START, data_dir, number) for number in range(4)]
    for process in started:  # all are waiting at the line by now or soon
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120) for process in started]
    assert [error for _, error in said] == [""] * 4
    store = open_store()
    assert {digest.strip() for digest, _ in said} == {store.digest("x").hex()}
    assert sorted(snapshot.credentials(store).values()) == ["sk-0", "sk-1", "sk-2", "sk-3"]


def test_changes_of_other_processes_are_seen_while_they_happen(open_store: Open, data_dir: Path) -> None:
    store = open_store()
    started = [start(CHANGES, data_dir, name, 20) for name in ("one", "two")]
    seen: list[tuple[int, int]] = []
    while any(process.poll() is None for process in started):
        config = snapshot.load(store)
        seen.append((config.revision, len(config.accounts) + sum(not account.enabled for account in config.accounts)))
        assert store.revision() >= config.revision
    errors = [process.communicate(timeout=120)[1] for process in started]
    assert errors == ["", ""]
    # Each change is one step of the number, and a snapshot has exactly the changes that its number says.
    assert all(changes == revision - 1 for revision, changes in seen)
    assert store.revision() == 81
    assert seen == sorted(seen)


def test_every_change_moves_the_revision_and_nothing_else_does(store: Store) -> None:
    account = accounts.add(store, "openai", api_key="sk-one")
    last = store.revision()
    key = ""

    def moved() -> bool:
        nonlocal last
        before, last = last, store.revision()
        return last > before

    assert not moved()
    accounts.set_enabled(store, account.id, False)
    assert moved()
    nodes.add(store, "local", "openai", "http://127.0.0.1:1/v1")
    assert moved()
    combos.add(store, "both", ["local/a"])
    assert moved()
    _, key = keys.create(store, "laptop")
    assert moved()
    keys.revoke(store, "laptop")
    assert moved()
    combos.remove(store, "both")
    assert moved()
    nodes.remove(store, "local")
    assert moved()
    accounts.remove(store, account.id)
    assert moved()
    with pytest.raises(StoreError):
        accounts.remove(store, account.id)
    snapshot.load(store)
    keys.digest(store, key)
    assert not moved()


def test_a_change_that_is_undone_leaves_the_revision(store: Store) -> None:
    before = store.revision()

    def fail() -> None:
        with store.change():
            accounts.add(store, "openai", api_key="sk-one")
            assert store.revision() > before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.revision() == before
    accounts.add(store, "openai", api_key="sk-one")
    assert store.revision() == before + 1


def test_the_watcher_reads_no_table_while_nothing_happens(store: Store) -> None:
    store.revision()
    asked: list[str] = []
    store.db.connection().set_trace_callback(asked.append)
    for _ in range(5):
        store.revision()
    assert asked
    assert not [sql for sql in asked if "config_revision" in sql]


def test_each_connection_is_set_up_alike(store: Store) -> None:
    found: list[tuple[object, ...]] = []

    def look() -> None:
        found.append(tuple(store.db.pragma(name) for name in ("journal_mode", "synchronous", "busy_timeout")))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    look()
    assert found == [("wal", 1, 5000)] * 2


def test_every_thread_may_read(store: Store) -> None:
    account = accounts.add(store, "openai", api_key="sk-one")
    found: list[object] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(accounts.find(store, account.id)))
        thread.start()
        thread.join()
    assert found == [account] * 3
    assert len(store.db._opened) == 2  # what ended threads opened is closed when the next one comes


def test_nothing_can_be_asked_after_the_end(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.revision()
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            store.revision()
        except StoreError as exc:
            failed.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert failed


def test_a_lock_that_is_not_given_back_is_said(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    holder, store = open_store(), open_store()
    store.db.connection().execute("pragma busy_timeout = 1")
    with holder.change(), pytest.raises(StoreError, match="the database is busy: another process has held it"):
        accounts.add(store, "openai", api_key="sk-one")
    accounts.add(store, "openai", api_key="sk-one")
