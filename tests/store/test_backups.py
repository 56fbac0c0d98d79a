import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from populated import populate

from omniroute.store.config import nodes, rows
from omniroute.store.db import copies, files
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.recovery import recover
from omniroute.store.transfer import backups
from omniroute.store.transfer.backups import Reason
from omniroute.store.transfer.import_ import restore

NOW = 1_800_000_000.0
HOUR = 3600.0


def make(store: Store, reason: Reason = "manual", at: float = NOW) -> str:
    return backups.create(store.path, reason, len(MIGRATIONS), at).id


def test_a_backup_is_listed_with_all_that_its_name_says(store: Store) -> None:
    made = backups.create(store.path, "manual", len(MIGRATIONS), NOW)
    assert made.id == f"storage-v{len(MIGRATIONS)}-20270115T080000Z-manual"
    assert backups.list_backups(store.path) == [made]
    assert made.at == NOW
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.parent.stat().st_mode & 0o777 == 0o700


def test_several_of_one_second_are_all_kept(store: Store) -> None:
    assert len({make(store) for _ in range(3)}) == 3
    assert len(backups.list_backups(store.path)) == 3


def test_the_newest_is_first_and_strangers_are_no_backups(store: Store, tmp_path: Path) -> None:
    first, second = make(store, at=NOW), make(store, "import", at=NOW + 1)
    folder = store.data_dir / "backups"
    (folder / "storage-v1-20231114T221321Z.sqlite").touch()
    (folder / "mine.sqlite").touch()
    (folder / f"storage-v1-{'9' * 8}T{'9' * 6}Z-manual.sqlite").touch()
    (folder / "storage-v1-20270115T080000Z-manual.sqlite").symlink_to(tmp_path)
    found = [(each.id, each.reason) for each in backups.list_backups(store.path)]
    assert found == [
        (second, "import"),
        (first, "manual"),
        ("storage-v1-20231114T221321Z", "migration"),
    ]


@pytest.mark.parametrize(
    "id",
    ["", ".", "..", "../storage", "/etc/passwd", "../backups/{id}", "{id}.sqlite", "{id}\0", "{id}/", "*", "x" * 5000],
)
def test_no_id_leads_out_of_the_folder(store: Store, id: str) -> None:
    made = make(store)
    with pytest.raises(StoreError, match="there is no backup") as told:
        restore(store, id.format(id=made))
    assert len(str(told.value)) < 300
    assert [each.id for each in backups.list_backups(store.path)] == [made]


def test_going_back_makes_a_backup_first(store: Store) -> None:
    nodes.add(store, "then", "openai", "http://127.0.0.1:9/v1")
    made = make(store)
    nodes.remove(store, "then")
    nodes.add(store, "now", "openai", "http://127.0.0.1:9/v1")
    done = restore(store, made)
    assert [node.id for node in rows.nodes(store)] == ["then"]
    restore(store, done.backup)
    assert [node.id for node in rows.nodes(store)] == ["now"]
    assert [each.reason for each in backups.list_backups(store.path)].count("restore") == 2


def test_a_damaged_backup_changes_nothing(store: Store) -> None:
    made = backups.find(store.path, make(store))
    content = made.path.read_bytes()
    made.path.write_bytes(content[:5000] + b"\xff" * (len(content) - 5000))
    nodes.add(store, "now", "openai", "http://127.0.0.1:9/v1")
    with pytest.raises(StoreError, match="damaged or no database"):
        restore(store, made.id)
    assert [node.id for node in rows.nodes(store)] == ["now"]


def test_the_oldest_go_by_reason_and_those_made_by_hand_stay(store: Store) -> None:
    for hours in range(3):
        for reason in ("manual", "scheduled", "import"):
            make(store, reason, NOW + hours * HOUR)  # type: ignore[arg-type]
    gone = backups.prune(store.path, 2)
    assert sorted(name.rpartition("-")[2] for name in gone) == ["import", "scheduled"]
    left = [each.reason for each in backups.list_backups(store.path)]
    assert {reason: left.count(reason) for reason in left} == {"manual": 3, "scheduled": 2, "import": 2}
    backups.prune(store.path, 0)
    assert sorted(each.reason for each in backups.list_backups(store.path)) == ["import", *["manual"] * 3, "scheduled"]


def test_one_is_made_when_it_is_due(store: Store) -> None:
    start = (store.data_dir / "secrets.json").stat().st_mtime
    assert not backups.scheduled(store.path, 24, 2, start + 23 * HOUR)
    assert not backups.scheduled(store.path, 0, 2, start + 500 * HOUR)
    assert backups.scheduled(store.path, 24, 2, start + 25 * HOUR)
    assert not backups.scheduled(store.path, 24, 2, start + 48 * HOUR)
    for days in range(3, 7):
        assert backups.scheduled(store.path, 24, 2, start + days * 24 * HOUR + HOUR)
    assert len(backups.list_backups(store.path)) == 2
    assert backups.scheduled(store.path, 24, 2, start - 1000 * HOUR), "a clock that was set back"


def test_a_full_disk_is_told_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "SPARE", 1 << 62)
    with pytest.raises(StoreError, match=r"too little room in .*backups.*: [\d,]+ KB are free and [\d,]+ KB"):
        make(store)
    assert list((store.data_dir / "backups").iterdir()) == []


class Full(sqlite3.Connection):
    def backup(self, *args: object, **kwargs: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    monkeypatch.setattr(copies.sqlite3, "connect", lambda *args, **how: connect(*args, **how, factory=Full))
    with pytest.raises(StoreError, match="cannot be copied: database or disk is full"):
        make(store)
    assert list((store.data_dir / "backups").iterdir()) == []


def test_what_was_said_does_not_live_on_in_copies(store: Store) -> None:
    populate(store)
    db = store.db.connection()
    assert db.execute("select count(*) from kept_reply").fetchone() == (1,)
    with closing(sqlite3.connect(backups.find(store.path, make(store)).path)) as copy:
        assert copy.execute("select count(*) from kept_reply").fetchone() == (0,)
    with closing(sqlite3.connect(backups.find(store.path, make(store, "migration")).path)) as copy:
        assert copy.execute("select count(*) from kept_reply").fetchone() == (1,)


def test_drafts_of_the_killed_are_swept_away(store: Store) -> None:
    make(store)
    folder = store.data_dir / "backups"
    for name in (".copy-old", ".copy-new"):
        (folder / name).touch()
    os.utime(folder / ".copy-old", (1, 1))
    (folder / ".copy-left").mkdir()
    with files.folder(folder, files.DRAFT) as used:
        make(store)
        assert {path.name for path in folder.glob(".copy-*")} == {".copy-new", used.name}
    assert recover(store).leftovers == ("backups/.copy-new",)  # no other process has this store open
    assert not [*folder.glob(".copy-*")]
