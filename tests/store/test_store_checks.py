import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from omniroute.store.config import accounts
from omniroute.store.db import checks
from omniroute.store.db.checks import check
from omniroute.store.db.database import Store


def test_a_sound_one_is_sound_in_every_way(store: Store) -> None:
    accounts.add(store, "openai", api_key="sk-0123456789")
    found = check(store)
    assert [each.name for each in found] == ["integrity", "foreign keys", "schema", "secrets", "room", "backups"]
    assert all(each.ok for each in found)


def _bad(store: Store) -> list[str]:
    return [each.name for each in check(store) if not each.ok]


def test_what_another_program_has_changed_is_named(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("create trigger spy after insert on api_keys begin select 1; end")
    [schema] = [each for each in check(store) if not each.ok]
    assert schema.name == "schema"
    assert "'spy'" in schema.found


def test_a_secret_that_does_not_open_is_found(store: Store) -> None:
    accounts.add(store, "openai", api_key="sk-0123456789")
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("update provider_connections set secret = x'00112233445566778899aabbccddeeff00112233'")
        db.commit()
    assert _bad(store) == ["secrets"]


def test_a_full_disk_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    assert _bad(store) == ["room"]


def test_a_check_leaves_the_locks_that_keep_other_processes_from_deleting_the_log(store: Store) -> None:
    accounts.add(store, "openai", api_key="sk-0123456789")
    check(store)
    other = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('select * from meta'); db.close()"
    subprocess.run([sys.executable, "-c", other, str(store.path)], check=True, timeout=120)
    assert store.path.with_name("storage.sqlite-wal").exists()
    assert store.path.with_name("storage.sqlite-shm").exists()
