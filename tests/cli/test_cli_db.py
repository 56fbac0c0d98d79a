"""`omniroute-ctl db`, as a person uses it."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Ctl

from omniroute.store.db import files
from omniroute.store.db.database import Connections
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.upgrade import inspect, migrate

type Json = Callable[..., Any]
type Refused = Callable[..., str]


@pytest.mark.usefixtures("home")
def test_out_and_in_again(ctl: Ctl, as_json: Json, tmp_path: Path) -> None:
    file = tmp_path / "copy.sqlite"
    told = ctl("db", "export", str(file))
    assert str(file) in told.stdout
    assert "secrets.json" in told.stderr
    ctl("node", "remove", "home")
    done = as_json("db", "import", str(file))
    assert done["rows"]["provider_nodes"] == 1
    assert done["without_credential"] == []
    assert as_json("db", "restore", done["backup"])["rows"]["provider_nodes"] == 0
    assert [each["reason"] for each in as_json("db", "backups")] == ["restore", "import"]


@pytest.mark.usefixtures("home")
def test_an_archive_names_who_needs_a_key(ctl: Ctl, as_json: Json, tmp_path: Path) -> None:
    ctl("provider", "add", "openai", "--api-key", "sk-1234567890abcdef", "--name", "work")
    file = tmp_path / "all.tar.gz"
    assert as_json("db", "export-all", str(file))["rows"]["provider_connections"] == 1
    said = ctl("db", "import", str(file))
    assert "1 accounts, 1 nodes" in said.stdout
    assert "openai work" in said.stderr
    assert "set-key" in said.stderr
    assert not as_json("provider", "show", "work")["enabled"]
    ctl("provider", "set-key", "work", "--api-key-stdin", input="sk-another-123456\n")
    assert as_json("provider", "show", "work")["enabled"]


def test_only_db_migrate_migrates(ctl: Ctl, as_json: Json, refused: Refused, data_dir: Path) -> None:
    ctl("node", "list")
    path = data_dir / "storage.sqlite"
    for file in data_dir.glob("storage.sqlite*"):
        file.unlink()
    path.touch(mode=0o600)
    db = Connections(path)
    migrate(db, path, clock=time.time, migrations=MIGRATIONS[:3])
    db.shut()
    needs = f"has version 3 and this program needs version {len(MIGRATIONS)}: run `omniroute-ctl db migrate`"
    assert needs in refused("node", "list")
    assert needs in as_json("status")["needs_migration"]
    assert needs in ctl("status").stdout
    assert needs in ctl("doctor").stdout
    assert inspect(path) == 3
    left = data_dir / ".import-left"
    left.mkdir()
    done = as_json("db", "migrate")
    assert (done["from"], done["to"], done["leftovers"]) == (3, len(MIGRATIONS), [".import-left"])
    assert [each["id"] for each in as_json("db", "backups")] == [done["backup"]]
    assert as_json("db", "migrate")["backup"] is None
    assert "Nothing to migrate" in ctl("db", "migrate").stdout
    assert as_json("status")["needs_migration"] is None
    assert as_json("db", "backups", "prune", "--keep", "1") == {"deleted": []}


def test_doctor_removes_what_killed_processes_left(ctl: Ctl, as_json: Json, data_dir: Path) -> None:
    ctl("db", "backups", "create")
    (data_dir / ".import-left").mkdir()
    (data_dir / ".import-left" / "copy.sqlite").touch(mode=0o600)
    (data_dir / "backups" / ".copy-left").mkdir()
    (data_dir / "backups" / ".copy-file").touch(mode=0o600)
    with files.folder(data_dir) as used:  # that of an import that runs
        assert "removed what killed processes left behind" in ctl("doctor").stdout
        assert used.exists()
    assert not [*data_dir.glob(".import-*"), *data_dir.glob("backups/.copy-*")]


def test_backups_by_hand(ctl: Ctl, as_json: Json) -> None:
    assert "No backups yet" in ctl("db", "backups").stdout
    made = as_json("db", "backups", "create")
    assert made["reason"] == "manual"
    assert as_json("db", "backups", "list") == [made]
    assert made["id"] in ctl("db", "backups").stdout
    assert as_json("db", "backups", "prune") == {"deleted": []}
    spare = as_json("db", "backups", "create")["id"]
    assert as_json("db", "backups", "remove", spare) == {"removed": spare}
    assert spare not in [each["id"] for each in as_json("db", "backups")]
    assert "Restored" in ctl("db", "restore", made["id"]).stdout


def test_refusals_are_one_line_and_change_nothing(ctl: Ctl, refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "junk"
    file.write_bytes(b"junk")
    assert "is no SQLite database" in refused("db", "import", str(file))
    assert "there is no file" in refused("db", "import", str(tmp_path / "none"))
    assert "is there already" in refused("db", "export", str(file))
    assert "there is no backup '../../etc/passwd'" in refused("db", "restore", "../../etc/passwd")
    assert "there is no backup '../secrets'" in refused("db", "backups", "remove", "../secrets")
    assert "exclude each other" in refused(
        "db", "import", str(file), "--without-credentials", "--key-file", "x", code=2
    )
    assert "takes a whole number from 1 to 1000" in refused("settings", "set", "backup.keep", "0")
    assert "takes a number from 0 to 8760" in refused("settings", "set", "backup.every", "9000")
    assert file.read_bytes() == b"junk"


def test_check_says_it_by_its_exit_code(ctl: Ctl, as_json: Json, data_dir: Path) -> None:
    assert as_json("db", "check")["ok"]
    with closing(sqlite3.connect(data_dir / "storage.sqlite")) as db:
        db.execute("create table of_somebody_else (x)")
    assert "not ours" in ctl("db", "check", code=1).stdout
    (data_dir / "storage.sqlite").write_bytes(b"junk" * 100)
    found = as_json("db", "check", code=1)
    assert [each["name"] for each in found["checks"]] == ["opens"]


def test_help_has_examples(ctl: Ctl) -> None:
    for command in ("export", "export-all", "import", "restore"):
        assert f"omniroute-ctl db {command} " in ctl("db", command, "--help").stdout
