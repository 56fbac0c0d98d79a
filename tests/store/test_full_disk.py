"""What happens while the database takes no writes: a full disk, a read-only one, a lock held for long, damage."""

import asyncio
import errno
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from history import ROW
from peewee import OperationalError

from omniroute.gateway import usage_recorder as gathering
from omniroute.gateway.usage_recorder import WriteBehind
from omniroute.store.config import accounts
from omniroute.store.db import writer
from omniroute.store.db.database import Store
from omniroute.store.db.disk_errors import disk_error
from omniroute.store.db.files import StoreFailed
from omniroute.store.db.writer import Writer
from omniroute.store.history import usage
from omniroute.store.state import sessions

WAIT = 30


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY", 0.01)
    monkeypatch.setattr(gathering, "RETRY", 0.01)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database or disk is full", "full"),
        ("disk I/O error", "io"),
        ("attempt to write a readonly database", "readonly"),
        ("unable to open database file", "denied"),
        ("database is locked", "busy"),
        ("database disk image is malformed", "corrupt"),
        ("file is not a database", "corrupt"),
        ("out of memory", "memory"),
        ("no such table: t", None),
        ("UNIQUE constraint failed: t.x", None),
    ],
)
def test_errors_of_the_disk_are_told_from_errors_of_a_statement(tmp_path: Path, text: str, kind: str | None) -> None:
    for error in (sqlite3.OperationalError(text), OperationalError(sqlite3.OperationalError(text), text)):
        wrapped = StoreFailed("words")
        wrapped.__cause__ = error
        for each in (error, wrapped):
            found = disk_error(each, tmp_path)
            assert (found.kind if found else None) == kind
            assert found is None or "rollback" not in found.reason


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, "full"), (errno.EROFS, "readonly"), (errno.EIO, "io")])
def test_errors_of_the_system_are_known_by_number(tmp_path: Path, number: int, kind: str) -> None:
    found = disk_error(OSError(number, os.strerror(number)), tmp_path)
    assert found
    assert found.kind == kind


class Broken:
    """Lets every commit of the store fail until it is mended."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        self.text: str | None = text
        self.tried = 0
        commit: Callable[[], None] = store.db.commit
        monkeypatch.setattr(store.db, "commit", partial(self._commit, commit))

    def _commit(self, commit: Callable[[], None]) -> None:
        self.tried += 1
        if self.text:
            raise OperationalError(sqlite3.OperationalError(self.text), self.text)
        commit()


@pytest.fixture
def running(store: Store) -> Iterator[Writer]:
    it = Writer(store, window=0.001)
    it.start()
    yield it
    it.close(WAIT)


@pytest.mark.parametrize("text", ["database or disk is full", "disk I/O error", "attempt to write a readonly database"])
def test_what_is_kept_waits_and_the_rest_fails_with_the_reason(
    store: Store, running: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    broken = Broken(store, monkeypatch, text)
    kept = [running.submit(partial(usage.record, store, [replace(ROW, id=f"r{n}")]), keep=True) for n in range(20)]
    lost = running.submit(partial(accounts.add, store, "openai", api_key="sk-one", name="one"))
    error = lost.exception(WAIT)
    assert isinstance(error, StoreFailed)
    assert "no transaction is active" not in str(error)
    assert store.write_health.reason
    assert store.write_health.reason in str(error)
    assert not any(future.done() for future in kept)
    broken.text = None
    for future in kept:
        future.result(WAIT)
    assert store.write_health.reason is None
    assert sorted(row.id for row in usage.recent(store, 100)) == sorted(f"r{n}" for n in range(20))
    assert sum("cannot be written, usage records wait" in said for said in caplog.messages) == 1
    assert sum("takes writes again" in said for said in caplog.messages) == 1


def test_writes_are_tried_again_although_nothing_waits(
    store: Store, running: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change by the management API fails; the reason goes away when the disk has room, without another change."""
    broken = Broken(store, monkeypatch, "database or disk is full")
    with pytest.raises(StoreFailed, match=r"the disk with .* is full: free some space"):
        accounts.add(store, "openai", api_key="sk-one", name="one")
    assert store.write_health.reason
    broken.text = None
    while store.write_health.reason:
        running.submit(lambda: None).exception(WAIT)
    assert accounts.add(store, "openai", api_key="sk-one", name="one").name == "one"


def test_a_transaction_that_sqlite_has_ended_is_not_rolled_back_again(store: Store) -> None:
    """A full disk ends the whole transaction: the words are of the disk, and nothing after it is written alone."""

    def full() -> None:
        store.db.connection().execute("rollback")  # as SQLite does
        raise OperationalError(sqlite3.OperationalError("database or disk is full"), "database or disk is full")

    def change() -> None:
        with store.change():
            accounts.add(store, "openai", api_key="sk-one", name="one")
            with store.change():
                full()

    with pytest.raises(StoreFailed, match="is full"):
        change()
    waiting = Writer(store)
    before = waiting.submit(partial(accounts.add, store, "openai", api_key="sk-one", name="before"))
    bad = waiting.submit(full)
    after = waiting.submit(partial(accounts.add, store, "openai", api_key="sk-one", name="after"))
    waiting.start()
    assert all(isinstance(future.exception(WAIT), StoreFailed) for future in (before, bad, after))
    assert accounts.add(store, "openai", api_key="sk-one", name="later").name == "later"
    waiting.close(WAIT)


def test_nothing_more_is_written_to_a_damaged_database(
    store: Store, running: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broken(store, monkeypatch, "database disk image is malformed")
    error = running.submit(partial(usage.record, store, [ROW]), keep=True).exception(WAIT)
    assert "nothing more is written to it: stop the gateway, run `omniroute-ctl db check`" in str(error)
    tried = broken.tried
    with pytest.raises(StoreFailed, match="nothing is written"):
        running.submit(lambda: None)
    with pytest.raises(StoreFailed, match="nothing is written"):
        sessions.begin(store)
    assert broken.tried == tried
    assert store.write_health.stopped


def test_records_wait_in_bounds_and_what_is_dropped_is_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_ROWS", 50)
    broken = Broken(store, monkeypatch, "database or disk is full")

    async def run() -> None:
        pending = WriteBehind()
        pending.open(store)
        pending.record(replace(ROW, id="first"))
        await asyncio.to_thread(until, lambda: store.write_health.reason)
        for number in range(80):
            pending.record(replace(ROW, id=f"r{number}"))
        await pending.written()  # a request does not wait while writes fail
        assert store.write_health.dropped == 30
        monkeypatch.setattr(gathering, "MOST_ROWS", 1000)
        monkeypatch.setattr(gathering, "MOST_BYTES", 0)
        pending.record(replace(ROW, id="heavy"))
        assert store.write_health.dropped == 31
        broken.text = None
        await asyncio.to_thread(until, lambda: not pending.rows)
        pending.close()

    asyncio.run(asyncio.wait_for(run(), WAIT))
    assert {row.id for row in usage.recent(store, 1000)} == {"first", *(f"r{number}" for number in range(50))}


def test_what_is_lost_when_the_gateway_ends_is_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    Broken(store, monkeypatch, "database or disk is full")

    async def run() -> None:
        pending = WriteBehind()
        pending.open(store)
        for number in range(3):
            pending.record(replace(ROW, id=f"r{number}"))
        pending.close()

    asyncio.run(asyncio.wait_for(run(), WAIT))
    assert store.write_health.dropped == 3


def until(look: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not look():
        assert time.monotonic() < end
        time.sleep(0.001)


def fill(ballast: Path) -> None:
    """Leave not one page of a disk."""
    with ballast.open("wb") as file:
        while shutil.disk_usage(ballast.parent).free:
            file.write(b"x" * 4096)
            file.flush()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("NOT TESTED: a real full disk needs root and the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path, open_store: Callable[..., Store]) -> None:
    store = open_store(small_disk / "data")
    it = Writer(store, window=0.001)
    it.start()
    try:
        big = replace(ROW, error="x" * 2000)
        fill(small_disk / "ballast")
        kept = [
            it.submit(partial(usage.record, store, [replace(big, id=f"r{n}-{m}") for m in range(20)]), keep=True)
            for n in range(60)
        ]
        refused = None
        for number in range(200):  # there may be room in the log of the database for the first ones
            try:
                accounts.add(store, "openai", api_key="sk-one", name=f"{number}{'x' * 60}")
            except StoreFailed as exc:
                refused = str(exc)
                break
        assert refused is not None
        assert "is full: free some space" in refused
        assert not all(future.done() for future in kept)
        (small_disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
        for future in kept:
            future.result(WAIT)
        assert len(usage.recent(store, 10_000)) == 60 * 20
        assert store.write_health.reason is None
    finally:
        it.close(WAIT)
        store.close()
    with closing(sqlite3.connect(small_disk / "data" / "storage.sqlite")) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
