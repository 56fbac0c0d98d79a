import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from peewee import SqliteDatabase

from omniroute.config.model import Combo
from omniroute.store.config import accounts, snapshot
from omniroute.store.db import directory_lock, state_tables, tables, upgrade
from omniroute.store.db import history_tables as kept
from omniroute.store.db.database import Connections, Store
from omniroute.store.db.directory_lock import DirectoryLock, running_gateway
from omniroute.store.db.files import NeedsMigration, StoreError, reserve
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.recovery import recover
from omniroute.store.db.tables import Table
from omniroute.store.db.upgrade import Migrated, inspect, migrate
from omniroute.store.history import summaries, usage
from omniroute.store.transfer.backups import create, list_backups, prune

Open = Callable[..., Store]


def at_version(path: Path, version: int, *rows: str) -> None:
    """Make the database as it was at a version, with rows from then."""
    path.parent.mkdir(exist_ok=True)
    reserve(path)
    db = Connections(path)
    migrate(db, path, clock=lambda: 0.0, migrations=MIGRATIONS[:version])
    for sql in rows:
        db.execute_sql(sql)
    db.shut()


@contextmanager
def gateway_stand_in() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that could be a gateway, by its command line."""
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "omniroute-ctl", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()  # before that it may have no command line
        yield process
        process.stdin.close()


def backups(data_dir: Path) -> list[str]:
    return sorted(path.name for path in data_dir.glob("backups/*"))


def test_the_columns_are_those_of_the_tables(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as db:
        made = {
            name: {
                (column, bool(not_null), bool(key))
                for _, column, _, not_null, _, key in db.execute(f"pragma table_info({name})")
            }
            for (name,) in db.execute("select name from sqlite_master where type = 'table'")
        }
    declared = {
        table._meta.table_name: {
            (field.column_name, not field.null, field.name in {key.name for key in table._meta.get_primary_keys()})
            for field in table._meta.sorted_fields
        }
        for module in (tables, state_tables, kept)
        for table in vars(module).values()
        if isinstance(table, type) and issubclass(table, Table) and table is not Table
    }
    assert made == declared


def test_the_first_version_with_rows_comes_up_to_date(open_store: Open, data_dir: Path) -> None:
    keep = "insert into provider_connections values ('abcd1234', 'openai', 'old', null, 1, 1, 'http://h', 5.0)"
    at_version(data_dir / "storage.sqlite", 1, keep)
    # What the first version left beside its database.
    fresh = data_dir.parent / "fresh"
    open_store(fresh).close()
    (data_dir / "secrets.json").write_bytes((fresh / "secrets.json").read_bytes())

    store = open_store()
    assert inspect(store.path) == len(MIGRATIONS)
    assert accounts.find(store, "old").id == "abcd1234"
    assert usage.recent(store, 1) == []
    assert snapshot.load(store).revision == 2
    assert backups(data_dir) == ["storage-v1-20231114T221321Z-migration.sqlite"]
    kept = data_dir / "backups" / backups(data_dir)[0]
    assert kept.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("pragma user_version").fetchone() == (1,)
        assert db.execute("select name from provider_connections").fetchall() == [("old",)]


def first_version(open_store: Open, data_dir: Path) -> Path:
    """Make the database of the first version, with the keys that belong to it."""
    path = data_dir / "storage.sqlite"
    at_version(path, 1)
    open_store(data_dir.parent / "fresh").close()
    (data_dir / "secrets.json").write_bytes((data_dir.parent / "fresh" / "secrets.json").read_bytes())
    return path


def test_only_who_may_upgrade_migrates(open_store: Open, data_dir: Path) -> None:
    path = first_version(open_store, data_dir)
    said = f"has version 1 and this program needs version {len(MIGRATIONS)}: run `omniroute-ctl db migrate`"
    with pytest.raises(NeedsMigration, match=re.escape(said)):
        Store(data_dir, environ={}, upgrade=False)
    assert inspect(path) == 1
    assert open_store().migrated == Migrated(1, len(MIGRATIONS), "storage-v1-20231114T221321Z-migration")
    Store(data_dir, environ={}, upgrade=False).close()


def test_the_copy_stays_until_a_person_removes_it(open_store: Open, data_dir: Path, clock: Callable[[], float]) -> None:
    first_version(open_store, data_dir)
    store = open_store()
    for _ in range(5):
        create(store.path, "import", len(MIGRATIONS), clock())
    assert len(prune(store.path, 1)) == 4
    assert [backup.reason for backup in list_backups(store.path)] == ["import", "migration"]


def test_nothing_is_migrated_under_a_running_gateway(open_store: Open, data_dir: Path) -> None:
    """One of an older version holds no lock; its process is known by the file that it keeps."""
    path = first_version(open_store, data_dir)
    with gateway_stand_in() as process:
        (data_dir / "runtime.json").write_text(json.dumps({"pid": process.pid}), encoding="utf-8")
        with pytest.raises(StoreError, match=f"process {process.pid} is a gateway that still uses it: stop it first"):
            open_store()
        with pytest.raises(NeedsMigration, match=rf"stop the gateway that runs on it \(process {process.pid}\), then"):
            Store(data_dir, environ={}, upgrade=False)
        assert inspect(path) == 1
    open_store()
    assert inspect(path) == len(MIGRATIONS)


def test_a_process_that_has_the_id_of_a_killed_gateway_is_none(open_store: Open, data_dir: Path) -> None:
    first_version(open_store, data_dir)
    runtime = data_dir / "runtime.json"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        for pid in (process.pid, os.getpid(), 0, 2**22 + 1):
            runtime.write_text(json.dumps({"pid": pid}), encoding="utf-8")
            assert running_gateway(data_dir) is None
    open_store()


def test_nothing_is_migrated_while_another_process_has_it_open(
    open_store: Open, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = first_version(open_store, data_dir)
    monkeypatch.setattr(directory_lock, "PATIENCE", -1.0)
    with closing(DirectoryLock(data_dir)) as other:
        other.share()
        with pytest.raises(StoreError, match="cannot be migrated while another process has it open"):
            open_store()
    assert inspect(path) == 1
    open_store()


def test_who_waits_for_a_migration_finds_it_done(
    open_store: Open, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = first_version(open_store, data_dir)
    with closing(DirectoryLock(data_dir)) as other:
        other.share()

        def migrated_by_the_other(_: float) -> None:
            db = Connections(path)
            migrate(db, path, clock=time.time, copies=False)
            db.shut()

        monkeypatch.setattr(directory_lock.time, "sleep", migrated_by_the_other)
        assert open_store().migrated is None


def test_progress_is_reported(open_store: Open, data_dir: Path) -> None:
    first_version(open_store, data_dir)
    told: list[tuple[str, int, int]] = []
    Store(data_dir, environ={}, progress=lambda *what: told.append(what)).close()
    assert told[0][0] == "copying the database"
    steps = [what for what in told if what[0].startswith("migrating")]
    assert [done for _, done, _ in steps] == list(range(len(MIGRATIONS) - 1))
    assert told[-1] == ("done", 1, 1)


KILLED = """
import os, signal, sys
from pathlib import Path
from omniroute.store.db.database import Store
def progress(what, done, total):
    if [what.split()[0], str(done)] == sys.argv[2:]:
        os.kill(os.getpid(), signal.SIGKILL)
Store(Path(sys.argv[1]), environ={}, progress=progress)
"""


@pytest.mark.parametrize("where", [("copying", "all"), ("migrating", "0"), ("migrating", str(len(MIGRATIONS) - 2))])
def test_a_kill_leaves_the_old_version_and_no_copy(open_store: Open, data_dir: Path, where: tuple[str, str]) -> None:
    path = first_version(open_store, data_dir)
    with closing(sqlite3.connect(path)) as db:
        pages = db.execute("pragma page_count").fetchone()[0]
    command = [sys.executable, "-c", KILLED, str(data_dir), where[0], str(pages) if where[1] == "all" else where[1]]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert inspect(path) == 1
    [left] = (data_dir / "backups").iterdir()
    store = open_store()
    assert recover(store).leftovers == ()  # the copy before the migration has removed it already
    assert not left.exists()
    assert backups(data_dir) == ["storage-v1-20231114T221321Z-migration.sqlite"]


def test_absurd_numbers_of_older_versions_become_unknown(open_store: Open, data_dir: Path) -> None:
    """Upstreams have reported them, and sums of them overflowed."""
    names = "id, at, provider, model_asked, client_dialect, path, streamed, status, combo, attempts, dropped"
    names += ", input, output, cost, latency_ms"
    values = ("9223372036854775807", "9.9e307", "-5", "'many'", "12", "12")
    rows = [
        f"insert into usage_history ({names}) values ('r{number}', {at}, 'p', 'm', 'openai', '/', 0, 200, 'c', "
        f"'[]', '[]', {value}, {value}, {value}, {value})"
        for number, value in enumerate(values)
        for at in ["1e300" if number == 3 else "'x'" if number == 5 else "1000.5"]
    ]
    path = data_dir / "storage.sqlite"
    at_version(path, 16, *rows)
    open_store(data_dir.parent / "fresh").close()
    (data_dir / "secrets.json").write_bytes((data_dir.parent / "fresh" / "secrets.json").read_bytes())
    store = open_store()
    found = {row.id: row for row in usage.recent(store, 10)}
    assert [found[f"r{number}"].input for number in range(6)] == [None] * 4 + [12, 12]
    assert [found[f"r{number}"].cost for number in range(6)] == [None] * 4 + [12.0, 12.0]
    assert [found[f"r{number}"].at for number in range(6)] == [1000.5] * 3 + [0.0, 1000.5, 0.0]
    total = summaries.totals(store, 0)
    assert (total.requests, total.input, total.output, total.cost) == (6, 24, 24, 24.0)
    with store.change():  # what is taken out is taken out as it was added
        store.db.execute_sql("update usage_history set cost = 1e308 where id = 'r0'")
        store.db.execute_sql("delete from usage_history")
    for table in ("usage_slots", "usage_latencies", "combo_slots"):
        assert store.db.execute_sql(f"select * from {table}").fetchall() == []


def test_combos_of_the_version_before_go_by_the_setting_for_all(open_store: Open, data_dir: Path) -> None:
    keep = """insert into combos values ('old', '["openai/a", "openai/b"]', 'priority', 5.0)"""
    at_version(data_dir / "storage.sqlite", 3, keep)
    fresh = data_dir.parent / "fresh"
    open_store(fresh).close()
    (data_dir / "secrets.json").write_bytes((fresh / "secrets.json").read_bytes())

    assert snapshot.load(open_store()).combos["old"] == Combo("old", ("openai/a", "openai/b"))


def test_who_lacks_the_key_does_not_migrate(open_store: Open, data_dir: Path) -> None:
    path = data_dir / "storage.sqlite"
    at_version(path, 1)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("insert into meta values ('salt', x'00'), ('check', x'00')")
    (data_dir / "secrets.json").write_text(f'{{"storage": "{"A" * 43}=", "api_keys": "{"A" * 43}="}}', encoding="utf-8")
    with pytest.raises(StoreError, match="is not the key"):
        open_store()
    assert inspect(path) == 1
    assert backups(data_dir) == []


def test_a_fresh_database_needs_no_copies(store: Store, data_dir: Path) -> None:
    assert inspect(store.path) == len(MIGRATIONS)
    assert backups(data_dir) == []


def test_opening_again_changes_nothing(open_store: Open, data_dir: Path) -> None:
    store = open_store()
    accounts.add(store, "openai", api_key="sk-one")
    store.close()
    before = store.path.read_bytes()
    open_store().close()
    assert store.path.read_bytes() == before
    assert backups(data_dir) == []


def test_a_step_that_fails_is_undone_with_all_before_it_and_leaves_no_copy(store: Store, data_dir: Path) -> None:
    accounts.add(store, "openai", api_key="sk-one", name="mine")

    def broken(db: SqliteDatabase) -> None:
        db.execute_sql("alter table provider_connections add column extra text")
        db.execute_sql("delete from provider_connections")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        migrate(store.db, store.path, clock=store.clock, migrations=[*MIGRATIONS, lambda db: None, broken])
    assert accounts.find(store, "mine").provider == "openai"
    assert inspect(store.path, thorough=True) == len(MIGRATIONS)
    assert backups(data_dir) == []


def test_no_one_else_can_write_from_before_the_copy_until_the_step_is_done(store: Store) -> None:
    said: list[str] = []

    def step(db: SqliteDatabase) -> None:
        with closing(sqlite3.connect(store.path, timeout=0, isolation_level=None)) as other:
            try:
                other.execute("begin immediate")
            except sqlite3.OperationalError as exc:
                said.append(str(exc))

    migrate(store.db, store.path, clock=store.clock, migrations=[*MIGRATIONS, step])
    assert said == ["database is locked"]


def test_without_a_copy_nothing_is_migrated(store: Store, data_dir: Path) -> None:
    (data_dir / "backups").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match=r"the backup .* before a migration failed \(.*\); nothing was migrated"):
        migrate(store.db, store.path, clock=store.clock, migrations=[*MIGRATIONS, lambda db: None])
    assert inspect(store.path) == len(MIGRATIONS)


def test_steps_are_numbered_in_order() -> None:
    assert [step.__name__[:5] for step in MIGRATIONS] == [f"m{n:03}_" for n in range(1, len(MIGRATIONS) + 1)]


def test_a_newer_database_is_left_alone(open_store: Open, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store()
    migrate(store.db, store.path, clock=store.clock, migrations=[*MIGRATIONS, lambda db: None])
    store.close()
    before = store.path.read_bytes()
    number = len(MIGRATIONS)
    with pytest.raises(
        StoreError, match=rf"has version {number + 1} and this program knows up to {number}: .* upgrade"
    ):
        open_store()
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("junk", [b"not a database" * 1000, b"SQLite format 3\x00" + bytes(5000), b"\xff"])
def test_what_is_no_database_is_left_alone(open_store: Open, data_dir: Path, junk: bytes) -> None:
    data_dir.mkdir()
    path = data_dir / "storage.sqlite"
    path.write_bytes(junk)
    with pytest.raises(StoreError, match=r"is damaged or no database \(.*\); it was left as it is"):
        open_store()
    assert path.read_bytes() == junk
    assert [entry.name for entry in data_dir.iterdir()] == ["storage.sqlite"]


def test_another_programs_database_is_left_alone(open_store: Open, data_dir: Path) -> None:
    data_dir.mkdir()
    path = data_dir / "storage.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table provider_connections (id text)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is another program's database"):
        open_store()
    assert path.read_bytes() == before


def test_an_empty_file_is_a_first_start(open_store: Open, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "storage.sqlite").touch()
    assert snapshot.load(open_store()).accounts == ()


def test_damage_is_found_and_left_alone(open_store: Open, data_dir: Path) -> None:
    store = open_store()
    for number in range(300):
        accounts.add(store, "openai", api_key=f"sk-{number}")
    store.close()
    broken = bytearray(store.path.read_bytes())
    with closing(sqlite3.connect(store.path)) as db:
        sql = "select rootpage from sqlite_master where name = 'provider_connections_name'"
        (root,) = db.execute(sql).fetchone()
    size = int.from_bytes(broken[16:18], "big")
    broken[(root - 1) * size : root * size] = b"\x07" * size
    store.path.write_bytes(broken)
    with pytest.raises(StoreError, match="is damaged or no database"):
        open_store()
    assert store.path.read_bytes() == bytes(broken)


def test_the_whole_is_verified_on_demand(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.verify()
    store.close()
    broken = bytearray(store.path.read_bytes())
    with closing(sqlite3.connect(store.path)) as db:
        (root,) = db.execute("select rootpage from sqlite_master where name = 'usage_history_at'").fetchone()
    size = int.from_bytes(broken[16:18], "big")
    broken[(root - 1) * size : root * size] = b"\x07" * size
    store.path.write_bytes(broken)
    with pytest.raises(StoreError, match="is damaged"):
        store.verify()


def test_switching_to_wal_waits_for_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table t (x)")
        other.execute("begin immediate")
        db = Connections(path)
        waits: list[object] = []
        monkeypatch.setattr(upgrade.time, "sleep", lambda seconds: waits.append(other.execute("rollback")))
        upgrade.use_wal(db)
        assert len(waits) == 1
        assert db.pragma("journal_mode") == "wal"
        db.shut()
