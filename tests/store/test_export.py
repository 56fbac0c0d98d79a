import base64
import csv
import io
import json
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cases import every
from populated import SAID, populate

from omniroute.store.db import copies
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.transfer import export
from omniroute.store.transfer.table_policy import POLICIES
from omniroute.store.transfer.untrusted import columns, made


def tables() -> dict[str, list[tuple[str, str]]]:
    db = made(":memory:")
    names = [row[0] for row in db.execute_sql("select name from sqlite_master where type = 'table'").fetchall()]
    db.close()
    return {name: list(columns(name)[0].items()) for name in names}


def test_what_becomes_of_every_table_is_decided() -> None:
    """A migration that adds a table has to say in `contents` what exports and imports do with it."""
    assert set(tables()) == set(POLICIES)


@every("table", [name for name, each in POLICIES.items() if each.kind in ("setup", "keys", "history")])
def test_whether_a_column_leaves_is_decided(table: str) -> None:
    """A migration that adds a column has to say in `contents` whether it is one that leaves."""
    contents = POLICIES[table]
    assert sorted(contents.shown + contents.hidden) == sorted(name for name, _ in tables()[table])


@every("table", list(POLICIES))
def test_nothing_sealed_and_no_digest_is_ever_shown(table: str) -> None:
    assert not {name for name, kind in tables()[table] if kind == "blob"} & set(POLICIES[table].shown)
    if POLICIES[table].kind in ("state", "own"):
        assert not POLICIES[table].shown


def forms(secret: bytes) -> Iterator[bytes]:
    """Give a secret in the forms in which a file could have it."""
    yield secret
    yield from (secret.hex().encode(), secret.hex().upper().encode())
    for start in range(3):
        coded = base64.b64encode(b"\0" * start + secret)
        middle = coded[4 * (start > 0) : -4]
        yield from (middle, middle.translate(bytes.maketrans(b"+/", b"-_")))


def test_an_archive_has_no_credential_in_any_form(store: Store, tmp_path: Path) -> None:
    populated = populate(store)
    target = tmp_path / "all.tar.gz"
    export.export_all(store, target)
    with tarfile.open(target) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}  # type: ignore[union-attr]
    whole = target.read_bytes() + b"".join(members.values()) + "".join(members).encode()
    assert len(populated.secrets) > 15
    for secret in populated.secrets:
        assert not [form for form in forms(secret) if len(form) >= 4 and form in whole], secret
    assert b"someone" not in whole
    assert SAID.encode() not in whole
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_archive_has_all_the_rest(store: Store, tmp_path: Path) -> None:
    populate(store)
    rows = export.export_all(store, tmp_path / "all.tar.gz")
    with tarfile.open(tmp_path / "all.tar.gz") as tar:
        found = {m.name.rpartition("/")[2]: tar.extractfile(m).read().decode() for m in tar}  # type: ignore[union-attr]
    about = json.loads(found["metadata.json"])
    assert about["format"] == "omniroute-export-1"
    assert about["rows"] == rows
    accounts = json.loads(found["providers.json"])
    assert [
        (each["provider"], each["name"], each["has_credential"]) for each in accounts if each["name"] == "mine"
    ] == [("openai", "mine", 1)]
    assert json.loads(found["combos.json"])[0]["name"] == "fast"
    assert json.loads(found["api-keys.json"])[0]["name"] == "client"
    assert json.loads(found["network-proxies.json"])[0]["url"] == "http://127.0.0.1:3128"
    assert [each["name"] for each in json.loads(found["settings.json"])] == ["strategy"]
    [exchange] = csv.DictReader(io.StringIO(found["usage.csv"]))
    assert exchange["model_asked"] == "model_asked"
    assert set(exchange) == set(POLICIES["usage_history"].shown)


def test_an_export_is_whole_while_others_write(store: Store, tmp_path: Path) -> None:
    populate(store)
    target = tmp_path / "copy.sqlite"
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        other.execute("update provider_connections set name = 'half done'")
        export.export(store, target)
        other.execute("rollback")
    with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro", uri=True)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        assert db.execute("pragma journal_mode").fetchone() == ("delete",)
        assert "mine" in {row[0] for row in db.execute("select name from provider_connections")}
        assert db.execute("select count(*) from kept_reply").fetchone() == (0,)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy.sqlite"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert b"sk-ant-other-9876543210" not in target.read_bytes()


WRITERS: list[Callable[..., object]] = [export.export, export.export_all]


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_there_is_overwritten_only_when_that_is_wanted(
    store: Store, tmp_path: Path, write: Callable[..., object]
) -> None:
    target = tmp_path / "there"
    target.write_bytes(b"mine")
    with pytest.raises(StoreError, match="is there already; it was left as it is"):
        write(store, target)
    assert target.read_bytes() == b"mine"
    write(store, target, replace=True)
    assert target.read_bytes() != b"mine"


@pytest.mark.parametrize("write", WRITERS)
def test_the_database_itself_is_never_overwritten(store: Store, tmp_path: Path, write: Callable[..., object]) -> None:
    link = tmp_path / "link"
    link.symlink_to(store.data_dir)
    for place in (store.path, store.data_dir / "secrets.json", link / "storage.sqlite"):
        before = place.read_bytes()
        with pytest.raises(StoreError, match="is in the data directory"):
            write(store, place, replace=True)
        assert place.read_bytes() == before
    with pytest.raises(StoreError, match="is a folder"):
        write(store, tmp_path)
    with pytest.raises(StoreError, match="there is no folder"):
        write(store, tmp_path / "not" / "there")


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_nothing_half_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., object]
) -> None:
    monkeypatch.setattr(copies, "SPARE", 1 << 62)
    with pytest.raises(StoreError, match="there is too little room in"):
        write(store, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
