import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import pytest

from omniroute.store.config import accounts
from omniroute.store.config import rows as read
from omniroute.store.db import writer
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.writer import Writer
from omniroute.store.history import usage
from omniroute.store.history.usage import UsageRow

ROW = UsageRow(
    **dict.fromkeys(field.name for field in fields(UsageRow))
    | {"id": "r", "at": 1.0, "model_asked": "a", "client_dialect": "openai", "path": "/", "streamed": False}
    | {"latency_ms": 1.0, "attempts": (), "dropped": ()}
)
WAIT = 30


@pytest.fixture
def running(store: Store) -> Iterator[Writer]:
    it = Writer(store, window=0.01)
    it.start()
    yield it
    it.close(WAIT)


def add(store: Store, name: str) -> str:
    return accounts.add(store, "openai", api_key="sk-one", name=name).name


def names(store: Store) -> set[str]:
    return {account.name for account in read.accounts(store)}


def commits(store: Store) -> list[str]:
    """What the writer's own connection was told from here on."""
    told: list[str] = []
    store.db.connection().set_trace_callback(told.append)
    return told


def test_a_settled_future_is_on_disk(store: Store, running: Writer) -> None:
    for number in range(3):
        assert running.submit(partial(add, store, f"n{number}")).result(WAIT) == f"n{number}"
        assert f"n{number}" in names(store)


def test_many_jobs_are_one_commit_in_their_order(store: Store) -> None:
    waiting = Writer(store)
    told = waiting.submit(partial(commits, store))
    done = [waiting.submit(partial(add, store, f"n{number}")) for number in range(50)]
    waiting.start()
    assert [future.result(WAIT) for future in done] == [f"n{number}" for number in range(50)]
    waiting.close(WAIT)
    said = [sql.lower() for sql in told.result(WAIT)]
    assert len([sql for sql in said if sql.startswith("commit")]) == 1
    assert [account.name for account in read.accounts(store)] == [f"n{number}" for number in range(50)]


def test_a_job_that_fails_is_undone_alone(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    waiting = Writer(store)

    def fails() -> None:
        add(store, "half")
        raise ZeroDivisionError("on purpose")

    good, bad, refused, more = (
        waiting.submit(partial(add, store, "one")),
        waiting.submit(fails),
        waiting.submit(partial(add, store, "one")),
        waiting.submit(partial(add, store, "two")),
    )
    waiting.start()
    assert good.result(WAIT) == "one"
    assert isinstance(bad.exception(WAIT), ZeroDivisionError)
    assert isinstance(refused.exception(WAIT), StoreError)
    assert more.result(WAIT) == "two"
    waiting.close(WAIT)
    assert names(store) == {"one", "two"}
    assert caplog.messages == ["a write failed: ZeroDivisionError"]  # a refusal is no fault


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError])
def test_no_job_can_end_the_thread(store: Store, running: Writer, error: type[BaseException]) -> None:
    def fails() -> None:
        raise error

    assert isinstance(running.submit(fails).exception(WAIT), error)
    assert running.submit(partial(add, store, "after")).result(WAIT) == "after"


def test_what_nobody_waits_for_is_not_written(store: Store) -> None:
    waiting = Writer(store)
    dropped, kept = waiting.submit(partial(add, store, "dropped")), waiting.submit(partial(add, store, "kept"))
    assert dropped.cancel()
    waiting.start()
    assert kept.result(WAIT) == "kept"
    waiting.close(WAIT)
    assert names(store) == {"kept"}


def test_closing_writes_what_waits(store: Store) -> None:
    slow = Writer(store, window=WAIT * 2)  # nothing would be written in time if closing did not wake it
    slow.start()
    rows = [replace(ROW, id=f"r{number}") for number in range(writer.BATCH + 10)]
    done = [slow.submit(partial(usage.record, store, [row])) for row in rows]
    slow.close(WAIT)
    assert all(future.done() for future in done)
    assert len(usage.recent(store, 10_000)) == len(rows)
    with pytest.raises(StoreError, match="the writer is closed"):
        slow.submit(partial(add, store, "late"))


def test_a_full_queue_refuses_at_once(store: Store) -> None:
    waiting = Writer(store, most_waiting=2)
    done = [waiting.submit(partial(add, store, f"n{number}")) for number in range(2)]
    with pytest.raises(StoreError, match="2 writes wait for the disk already"):
        waiting.submit(partial(add, store, "one too many"))
    waiting.start()
    waiting.close(WAIT)
    assert [future.result(WAIT) for future in done] == ["n0", "n1"]


def test_a_writer_that_never_started_gives_up_what_waits(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    waiting = Writer(store)
    future = waiting.submit(partial(add, store, "one"))
    waiting.close(WAIT)
    assert isinstance(future.exception(WAIT), StoreError)
    assert "1 writes were given up" in caplog.text


class Holder:
    """Another process that has the write lock."""

    def __init__(self, store: Store) -> None:
        self._db = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
        self._db.execute("begin immediate")

    def let_go(self, _: object = None) -> None:
        self._db.close()


def impatient(store: Store) -> None:
    store.db.connection().execute("pragma busy_timeout = 1")


def test_a_lock_is_waited_for(store: Store, running: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    running.submit(partial(impatient, store)).result(WAIT)
    holder = Holder(store)
    monkeypatch.setattr(writer.time, "sleep", holder.let_go)  # the pause after the first refusal
    assert running.submit(partial(add, store, "one")).result(WAIT) == "one"


def test_a_lock_is_not_waited_for_for_ever(
    store: Store, running: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running.submit(partial(impatient, store)).result(WAIT)
    monkeypatch.setattr(writer, "PATIENCE", -1.0)
    holder = Holder(store)
    lost = running.submit(partial(add, store, "one"))
    assert "could not be written: another process holds the write lock" in str(lost.exception(WAIT))
    assert "1 writes were lost: another process holds the write lock" in caplog.text
    holder.let_go()
    assert running.submit(partial(add, store, "two")).result(WAIT) == "two"
    assert names(store) == {"two"}


def test_a_commit_that_fails_is_told_to_everyone(
    store: Store, running: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_space() -> None:
        monkeypatch.undo()
        raise OSError("disk full")

    monkeypatch.setattr(store.db, "commit", no_space)
    lost = running.submit(partial(add, store, "one"))
    assert "disk full" in str(lost.exception(WAIT))
    assert names(store) == set()
    assert running.submit(partial(add, store, "two")).result(WAIT) == "two"


def test_a_store_closed_too_early_fails_the_job_and_not_the_thread(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    it = Writer(store, window=0.0)
    it.start()
    it.submit(partial(add, store, "one")).result(WAIT)
    store.close()
    lost: Future[str] = it.submit(partial(add, store, "two"))
    assert isinstance(lost.exception(WAIT), StoreError)
    it.close(WAIT)
    assert "1 writes were lost" in caplog.text


def test_submitting_from_many_threads(store: Store, running: Writer) -> None:
    futures: list[Future[str]] = []

    def submit(base: int) -> None:
        futures.extend(running.submit(partial(add, store, f"{base}-{number}")) for number in range(50))

    threads = [threading.Thread(target=submit, args=(base,)) for base in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {future.result(WAIT) for future in futures} == names(store)
    assert len(names(store)) == 200


KILLED = """
import itertools, sys
from dataclasses import replace
from functools import partial
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_writer import ROW
from omniroute.store.history import usage
from omniroute.store.db.database import Store
from omniroute.store.db.writer import Writer
store = Store(Path(sys.argv[1]), environ={})
writer = Writer(store)
writer.start()
def say(number, future):
    future.result()
    print(number, flush=True)
for number in itertools.count():
    row = replace(ROW, id=f"r{number}")
    future = writer.submit(partial(usage.record, store, [row]))
    future.add_done_callback(partial(say, number))
    if number % 300 == 299:
        future.result()
"""


def test_kill_9_loses_nothing_that_was_said_to_be_written(open_store: Callable[..., Store], data_dir: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(data_dir), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = [int(next(process.stdout)) for _ in range(1000)]
        process.kill()
        said += [int(line) for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -9
    store = open_store()
    store.verify()
    kept = {row.id for row in usage.recent(store, 1_000_000)}
    assert {f"r{number}" for number in said} <= kept
    usage.record(store, [usage.recent(store, 1)[0]])
