import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cases import every
from populated import populate

from omniroute.access.lockouts import Lockout
from omniroute.store.config import accounts, ip_filter, keys, nodes, snapshot
from omniroute.store.config import rows as read
from omniroute.store.config import settings as kept
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.recovery import recover
from omniroute.store.state import cached_answers, lockouts, password
from omniroute.store.transfer import backups, export, untrusted
from omniroute.store.transfer.import_ import import_database, restore
from omniroute.store.transfer.table_policy import of_kind
from omniroute.store.transfer.untrusted import made

type Open = Callable[..., Store]

STEPS = ("look", "secrets", "backup", "history", "replace", "check", "commit")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the data directory of another machine, with something in every table, and an export of it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    ticks = itertools.count(1_700_000_000.0)
    with closing(Store(folder / "other", clock=lambda: next(ticks))) as store:
        populate(store)
        with store.change():
            store.run_many("update combos set weights = '{}', tries = '{}', strategy = ''", [()])
        export.export(store, folder / "copy.sqlite")
    return folder


@pytest.fixture
def place(elsewhere: Path, tmp_path: Path) -> Path:
    """A copy of the data directory, that a test may do with as it likes."""
    return Path(shutil.copytree(elsewhere / "other", tmp_path / "other"))


@pytest.fixture
def other(open_store: Open, place: Path) -> Store:
    return open_store(place)


@pytest.fixture
def file(elsewhere: Path, place: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy2(elsewhere / "copy.sqlite", tmp_path / "copy.sqlite"))


@pytest.fixture
def here(store: Store) -> Store:
    """This machine's store, with something of its own."""
    nodes.add(store, "mine-alone", "openai", "http://127.0.0.1:8/v1")
    accounts.add(store, "openai", api_key="sk-of-this-machine-1234", name="local")
    password.put(store, "the-password-here")
    lockouts.save(store, {"key:203.0.113.7": Lockout(3, 1.0, 2.0, locked=True)})
    return store


def contents(store: Store) -> dict[str, list[Any]]:
    """Give every row of every table but those that count up."""
    db = store.db.connection()
    tables = [row[0] for row in db.execute("select name from sqlite_master where type = 'table' order by name")]
    return {table: sorted(map(repr, db.execute(f"select * from {table}"))) for table in tables}


def altered(file: Path, *statements: str) -> Path:
    """Change a file behind the back of its triggers."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("pragma writable_schema = on")
        for statement in statements:
            db.execute(statement)
    return file


def test_what_the_file_has_is_here_and_what_is_about_this_machine_stays(
    here: Store, other: Store, file: Path, tmp_path: Path
) -> None:
    done = import_database(here, file, key_file=tmp_path / "other" / "secrets.json")
    before = contents(other)
    after = contents(here)
    for table in of_kind("setup"):
        if table not in ("provider_connections", "network_proxies", "settings"):
            assert after[table] == before[table], table
    assert snapshot.credentials(here) == snapshot.credentials(other)
    assert snapshot.proxies(here) == snapshot.proxies(other)
    assert read.settings(here).keys() == {"strategy", cached_answers.CLEARED}
    assert after["usage_history"] == before["usage_history"]
    assert after["usage_slots"] == before["usage_slots"]
    assert password.matches(here, "the-password-here")
    assert "key:203.0.113.7" in lockouts.load(here)
    assert (done.history, done.lost, done.version) == (1, (), len(MIGRATIONS))
    assert done.rows["provider_connections"] == 2


def test_keys_of_clients_come_where_they_open(here: Store, other: Store, file: Path, tmp_path: Path) -> None:
    key, _ = keys.create(here, "of this machine")
    done = import_database(here, file, key_file=tmp_path / "other" / "secrets.json")
    assert done.keys_kept
    assert [each.id for each in read.keys(here)] == [key.id]


def test_the_same_machine_takes_everything_back(here: Store, tmp_path: Path) -> None:
    _, shown = keys.create(here, "before")
    export.export(here, tmp_path / "copy.sqlite")
    nodes.remove(here, "mine-alone")
    keys.create(here, "since")
    accounts.remove(here, accounts.find(here, "local").id)
    done = import_database(here, tmp_path / "copy.sqlite")
    assert not done.keys_kept
    assert [each.name for each in read.keys(here)] == ["before"]
    assert here.digest(shown) == read.keys(here)[0].digest
    assert list(snapshot.credentials(here).values()) == ["sk-of-this-machine-1234"]


def test_a_key_that_was_revoked_since_stays_revoked(here: Store, tmp_path: Path) -> None:
    key, _ = keys.create(here, "leaked")
    made = backups.create(here.path, "manual", len(MIGRATIONS), here.clock())
    keys.revoke(here, key.id)
    restore(here, made.id)
    assert [(each.name, each.revoked_at is not None) for each in read.keys(here)] == [("leaked", True)]


def test_what_somebody_did_to_the_gateway_then_is_not_done_again(here: Store, tmp_path: Path) -> None:
    kept.reset_health(here, [])
    export.export(here, tmp_path / "copy.sqlite")
    kept.reset_health(here, ["openai"])
    now = read.settings(here)
    import_database(here, tmp_path / "copy.sqlite")
    after = read.settings(here)
    assert after.pop(cached_answers.CLEARED)
    assert after == now


def test_lists_that_keep_out_who_imports_are_refused_unless_forced(here: Store, other: Store, tmp_path: Path) -> None:
    ip_filter.put(other, "allow", ["203.0.113.0/24", "127.0.0.1", "::1"])
    ip_filter.set_mode(other, "whitelist")
    export.export(other, tmp_path / "whitelist.sqlite")
    wanted = partial(import_database, here, tmp_path / "whitelist.sqlite", without_credentials=True)
    before = {table: rows for table, rows in contents(here).items() if table not in of_kind("history")}
    with pytest.raises(StoreError, match=r"keep out 198\.51\.100\.4.*nothing was changed"):
        wanted(caller=("198.51.100.4",))
    assert {table: rows for table, rows in contents(here).items() if table in before} == before
    wanted(caller=("203.0.113.7",))
    assert ip_filter.now(here).mode == "whitelist"
    wanted(caller=("198.51.100.4",))  # who is kept out already is not kept out by this


def test_a_backup_that_keeps_out_this_machine_is_refused_unless_forced(here: Store) -> None:
    ip_filter.put(here, "deny", ["127.0.0.0/8"], force=True)
    ip_filter.set_mode(here, "blacklist", force=True)
    made = backups.create(here.path, "manual", len(MIGRATIONS), here.clock())
    ip_filter.set_mode(here, "off")
    with pytest.raises(StoreError, match="this machine"):
        restore(here, made.id)
    assert ip_filter.now(here).mode == "off"
    restore(here, made.id, force=True)
    assert ip_filter.now(here).mode == "blacklist"


def test_answers_that_are_kept_are_forgotten_as_their_names_may_lead_elsewhere(here: Store, file: Path) -> None:
    cached_answers.keep(here, cached_answers.StoredAnswer("key", here.clock(), b"said"))
    with pytest.raises(StoreError):
        import_database(here, file.with_name("no such file"))
    assert cached_answers.stats(here).entries == 1
    import_database(here, file, without_credentials=True)
    assert cached_answers.stats(here).entries == 0


def test_history_is_added_to_and_never_taken_out(here: Store, file: Path) -> None:
    with here.change():
        row = _exchange("own")
        here.run_many(f"insert into usage_history values ({', '.join('?' * len(row))})", [row])
    assert import_database(here, file, without_credentials=True).history == 1
    assert import_database(here, file, without_credentials=True).history == 0
    assert len(contents(here)["usage_history"]) == 2
    assert here.db.connection().execute("select requests from usage_slots where kind = 'total'").fetchall()[0][0] >= 1


def test_history_can_be_left_out(here: Store, file: Path) -> None:
    assert import_database(here, file, without_credentials=True, history=False).history == 0
    assert contents(here)["usage_history"] == []


def test_another_key_is_asked_for(here: Store, file: Path, tmp_path: Path) -> None:
    before = contents(here)
    with pytest.raises(StoreError, match=r"encrypted with another key .* --key-file.* --without-credentials; nothing"):
        import_database(here, file)
    with pytest.raises(StoreError, match="does not open the secrets of this file; nothing was changed"):
        import_database(here, file, key_file=here.data_dir / "secrets.json")
    with pytest.raises(StoreError, match="there is no key file"):
        import_database(here, file, key_file=tmp_path / "none")
    assert contents(here) == before
    assert backups.list_backups(here.path) == []


def test_without_credentials_the_accounts_wait_for_theirs(here: Store, file: Path) -> None:
    done = import_database(here, file, without_credentials=True)
    assert [each.enabled for each in read.accounts(here)] == [False, False]
    assert snapshot.credentials(here) == {}
    assert len(done.lost) == 3
    [proxy] = read.proxies(here).values()
    assert proxy is not None
    assert not proxy.locked
    mine = accounts.find(here, "mine")
    assert accounts.set_key(here, mine.id, "sk-another-123456").enabled
    assert snapshot.credentials(here) == {mine.id: "sk-another-123456"}


def test_the_same_password_on_two_machines_opens_both(open_store: Open, tmp_path: Path) -> None:
    there = open_store(tmp_path / "a", STORAGE_ENCRYPTION_KEY="a long enough password", API_KEY_SECRET="the same one")
    accounts.add(there, "openai", api_key="sk-moved-1234567890")
    keys.create(there, "moved")
    export.export(there, tmp_path / "copy.sqlite")
    here = open_store(tmp_path / "b", STORAGE_ENCRYPTION_KEY="a long enough password", API_KEY_SECRET="the same one")
    done = import_database(here, tmp_path / "copy.sqlite")
    assert list(snapshot.credentials(here).values()) == ["sk-moved-1234567890"]
    assert [each.name for each in read.keys(here)] == ["moved"]
    assert not done.keys_kept


def test_an_archive_comes_back_as_it_left_but_for_credentials(here: Store, other: Store, tmp_path: Path) -> None:
    export.export_all(other, tmp_path / "all.tar.gz")
    key, _ = keys.create(here, "of this machine")
    done = import_database(here, tmp_path / "all.tar.gz")
    before, after = contents(other), contents(here)
    for table in ("combos", "provider_nodes", "model_aliases", "fallback_chains", "custom_models", "account_limits"):
        assert after[table] == before[table], table
    assert done.history == 1
    assert done.keys_kept
    assert [each.id for each in read.keys(here)] == [key.id]
    assert [each.enabled for each in read.accounts(here)] == [False, False]
    row = "select input, cost, latency_ms, streamed, model_served from usage_history"
    assert here.db.connection().execute(row).fetchall() == other.db.connection().execute(row).fetchall()


# ---- when it fails


class Stop(Exception):
    pass


@pytest.mark.parametrize("where", STEPS)
def test_whatever_fails_the_old_state_is_back(here: Store, file: Path, where: str) -> None:
    before = contents(here)

    def step(name: str) -> None:
        if name == where:
            raise Stop

    with pytest.raises(Stop):
        import_database(here, file, without_credentials=True, step=step)
    after = contents(here)
    assert {t: rows for t, rows in after.items() if t != "config_revision"} == {
        t: rows for t, rows in before.items() if t != "config_revision"
    }
    assert len(backups.list_backups(here.path)) == (STEPS.index(where) > STEPS.index("backup"))
    assert not list(here.data_dir.glob(".import-*"))
    import_database(here, file, without_credentials=True)


KILLED = """
import os, signal, sys
from pathlib import Path
from omniroute.store.db.database import Store
from omniroute.store.transfer.import_ import import_database as bring_in
def step(name):
    if name == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
bring_in(Store(Path(sys.argv[1]), environ={}), Path(sys.argv[2]), without_credentials=True, step=step)
"""


@pytest.mark.parametrize("where", ["replace", "check", "commit"])
def test_a_kill_in_the_middle_leaves_the_old_state(here: Store, file: Path, where: str) -> None:
    before = contents(here)
    command = [sys.executable, "-c", KILLED, str(here.data_dir), str(file), where]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, timeout=120)
    assert done.returncode == -signal.SIGKILL
    after = contents(here)
    for table in of_kind("setup", "keys", "state"):
        assert after[table] == before[table], table
    assert here.db.connection().execute("pragma integrity_check").fetchone() == ("ok",)
    [left] = here.data_dir.glob(".import-*")
    assert left.stat().st_mode & 0o777 == 0o700
    found = recover(here)
    assert found.leftovers == (left.name,)
    assert found.history == len(after["usage_history"]) - len(before["usage_history"])
    assert contents(here)["usage_history"] == before["usage_history"]
    assert contents(here)["usage_slots"] == before["usage_slots"]
    import_database(here, file, without_credentials=True)
    assert not list(here.data_dir.glob(".import-*"))


def test_without_a_backup_nothing_is_taken_over(here: Store, file: Path) -> None:
    before = contents(here)
    (here.data_dir / "backups").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be made"):
        import_database(here, file, without_credentials=True)
    assert contents(here) == before


def test_a_reader_sees_the_old_state_or_the_new_one(here: Store, file: Path) -> None:
    seen: list[tuple[str, ...]] = []

    def step(name: str) -> None:
        with closing(sqlite3.connect(here.path)) as db:
            seen.append(tuple(row[0] for row in db.execute("select prefix from provider_nodes")))

    import_database(here, file, without_credentials=True, step=step)
    assert seen == [("mine-alone",)] * len(STEPS) + [("home",)]


# ---- files that are not as they should be


HOSTILE = {
    "trigger": "create trigger evil after insert on combos begin delete from api_keys; end",
    "view": "create view evil as select 1",
    "table": "create table evil (x)",
    "virtual": "create virtual table evil using fts5(x)",
    "index": "create index evil on combos (abs(created_at))",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_not_ours_is_refused(here: Store, file: Path, what: str) -> None:
    altered(file, HOSTILE[what])
    _refused(here, file, r"has a \w+ 'evil\w*' that is not ours; nothing was changed")


def test_a_table_that_is_a_view_is_refused(here: Store, file: Path) -> None:
    altered(file, "drop table combos", "create view combos as select 1 as name")
    _refused(here, file, "that is not ours; nothing was changed")


def test_a_trigger_that_was_changed_is_refused(here: Store, file: Path) -> None:
    altered(
        file,
        "drop trigger combos_insert",
        "create trigger combos_insert after insert on combos begin delete from api_keys; end",
    )
    _refused(here, file, "has a trigger 'combos_insert' that is not made as ours")


@pytest.mark.parametrize("table", ["provider_connections", "provider_nodes", "combos", "api_keys"])
def test_a_missing_table_is_named(here: Store, file: Path, table: str) -> None:
    altered(file, f"drop table {table}")
    _refused(here, file, f"lacks the .*{table}")


def test_a_newer_one_is_refused_by_both_versions(here: Store, file: Path) -> None:
    number = len(MIGRATIONS)
    altered(file, f"pragma user_version = {number + 1}")
    _refused(here, file, rf"has version {number + 1} and this program knows up to {number}: .* upgrade first")


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_an_older_one_is_brought_up_to_date_on_a_copy(here: Store, tmp_path: Path, version: int) -> None:
    old = tmp_path / "old.sqlite"
    db = made(str(old), version)
    db.execute_sql("insert into provider_nodes values ('old', 'Old', 'openai', 'http://127.0.0.1:7/v1', 1.0)")
    db.close()
    before = old.read_bytes()
    done = import_database(here, old)
    assert done.version == version
    assert [node.id for node in read.nodes(here)] == ["old"]
    assert old.read_bytes() == before


def test_junk_is_refused(here: Store, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    junk = tmp_path / "junk"
    for content in (
        b"",
        b"x",
        b"SQLite format 3\0",
        b"SQLite format 3\0" + b"\xff" * 5000,
        b"\x1f\x8b",
        b"\x1f\x8b junk",
    ):
        junk.write_bytes(content)
        _refused(here, junk, "nothing was changed")
    junk.unlink()
    _refused(here, junk, "there is no file")
    _refused(here, tmp_path, "is no file")
    os.mkfifo(junk)
    _refused(here, junk, "is no file")
    cut = tmp_path / "cut.sqlite"
    cut.write_bytes(file.read_bytes()[:-8192])
    _refused(here, cut, "is damaged or no database")
    with closing(sqlite3.connect(tmp_path / "stranger.sqlite")) as db:
        db.execute("create table provider_connections (id)")
    _refused(here, tmp_path / "stranger.sqlite", "is another program's database")
    monkeypatch.setattr(untrusted, "MOST_BYTES", 1000)
    with pytest.raises(StoreError, match="bytes, more than the 1,000 that an import takes"):
        import_database(here, file, most=untrusted.MOST_BYTES)


def test_any_damage_is_refused_or_harmless(here: Store, file: Path, tmp_path: Path) -> None:
    whole, spoilt = file.read_bytes(), tmp_path / "spoilt.sqlite"
    refused = 0
    for at in range(0, len(whole), len(whole) // 25):
        spoilt.write_bytes(whole[:at] + b"\xa5" * 64 + whole[at + 64 :])
        before = snapshot.load(here)
        try:
            import_database(here, spoilt, without_credentials=True)
        except StoreError:
            refused += 1
            assert snapshot.load(here) == before
        else:
            snapshot.load(here)
    here.verify()
    assert refused


VALUES = {
    "a text for a number": "update provider_connections set priority = 'first'",
    "infinity": "update provider_connections set created_at = 9e999",
    "a blob for a text": "update combos set models = x'00ff'",
    "no text at all": "update provider_connections set name = cast(x'fffe' as text)",
    "no list": "update combos set models = 'oops'",
    "a name that steers": "update provider_connections set name = char(27) || '[2J'",
    "no dialect": "update provider_nodes set dialect = 'morse'",
    "no address": "update provider_nodes set base_url = 'file:///etc/passwd'",
    "a setting out of range": "update settings set value = '\"by luck\"' where name = 'strategy'",
    "a setting of another type": "insert into settings values ('queue.size', '\"5\"')",
    "a nested document": "update settings set value = replace(hex(zeroblob(50000)), '00', '[') where name = 'strategy'",
    "a mode that is none": "insert into settings values ('ip.mode', '\"perhaps\"')",
    "a ban without an end": "update ip_rules set kind = 'ban'",
    "history": "update usage_history set at = 'now'",
}


@every("what", VALUES)
def test_values_that_cannot_stand_there_are_refused(here: Store, file: Path, what: str) -> None:
    _refused(here, altered(file, VALUES[what]), "file.*nothing was changed|file is damaged")


def test_a_secret_that_was_moved_to_another_account_is_refused(here: Store, file: Path, tmp_path: Path) -> None:
    altered(file, "update provider_connections set id = 'ffff' || substr(id, 5)")
    with pytest.raises(StoreError, match=r"the secret of 'account ffff.*' in the file cannot be decrypted"):
        import_database(here, file, key_file=tmp_path / "other" / "secrets.json")


def test_an_archive_cannot_write_anywhere(here: Store, other: Store, tmp_path: Path) -> None:
    export.export_all(other, tmp_path / "all.tar.gz")
    with tarfile.open(tmp_path / "all.tar.gz") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    [folder] = (tmp_path / "out").iterdir()
    evil = tmp_path / "evil.tar.gz"
    with tarfile.open(evil, "w:gz") as tar:
        for path in folder.iterdir():
            tar.add(path, f"../../../../{tmp_path.name}/{path.name}")
        link = tarfile.TarInfo("providers.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    import_database(here, evil)
    assert [name for name in sorted(p.name for p in tmp_path.rglob("*")) if name.endswith((".json", ".csv"))] == [
        name for name in before if name.endswith((".json", ".csv"))
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.json", {"format": "another", "schema": 1}),
        ("metadata.json", {"format": "omniroute-export-1", "schema": 999}),
        ("metadata.json", []),
        ("providers.json", {"a": 1}),
        ("providers.json", [{"id": ["x"]}]),
        ("combos.json", [{"name": "x"}]),
    ],
)
def test_an_archive_with_nonsense_is_refused(
    here: Store, other: Store, tmp_path: Path, name: str, content: Any
) -> None:
    export.export_all(other, tmp_path / "all.tar.gz")
    with tarfile.open(tmp_path / "all.tar.gz") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    [folder] = (tmp_path / "out").iterdir()
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        tar.add(folder, "x")
    shutil.rmtree(tmp_path / "out")
    _refused(here, tmp_path / "bad.tar.gz", "is damaged or no archive of ours|it was written by a newer OmniRoute")


def _refused(store: Store, file: Path, why: str) -> None:
    before = contents(store)
    with pytest.raises(StoreError, match=why):
        import_database(store, file, without_credentials=True)
    assert contents(store) == before
    assert not list(store.data_dir.glob(".import-*"))


def _exchange(id: str) -> tuple[Any, ...]:
    kinds = untrusted.columns("usage_history")[0]
    return tuple(
        id if name == "id" else {"text": "[]", "integer": 1, "real": 1.0}[kind] for name, kind in kinds.items()
    )
