"""Archives and databases for import: read, or refused with StoreError; their memory and their files are bounded."""

import gzip
import io
import itertools
import json
import sqlite3
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fuzz_kit import fuzz
from mutate import NUMBERS, WORDS, Mutator

from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.transfer import export
from omniroute.store.transfer import export as archive
from omniroute.store.transfer.read_archive import is_archive, unpack
from omniroute.store.transfer.table_policy import of_kind
from omniroute.store.transfer.untrusted import inspect_file

MAX_FILE = 4 * 1024 * 1024
STATEMENTS = (
    "create trigger t after insert on combos begin delete from combos; end",
    "create view v as select randomblob(1000000000) as a",
    "create table extra (a generated always as (randomblob(9)))",
    "create virtual table f using fts5(a)",
    "create index i on combos (abs(name))",
    "pragma user_version = 999999",
    "pragma user_version = -1",
    "pragma user_version = 1",
    "pragma application_id = 1",
    "pragma writable_schema = on; update sqlite_master set sql = replace(sql, 'text', 'blob')",
    "pragma writable_schema = on; update sqlite_master set rootpage = 2 where type = 'table'",
    "pragma writable_schema = on; update sqlite_master set rootpage = 1000000 where name = 'combos'",
    "pragma writable_schema = on; update sqlite_master set name = 'sqlite_stat1' where name = 'combos'",
    "pragma writable_schema = on; delete from sqlite_master where name = 'api_keys'",
    "pragma encoding = 'UTF-16le'",
    "pragma journal_mode = wal",
    "drop table combos",
)
TABLES = of_kind("setup", "keys", "history")


class Samples:
    """An export and an archive of a store that has rows in every table."""

    def __init__(self, folder: Path) -> None:
        from populated import populate

        ticks = itertools.count(1_700_000_000.0)
        with closing(Store(folder / "data", clock=lambda: next(ticks), environ={})) as store:
            populate(store)
            export.export(store, folder / "copy.sqlite")
            archive.write_all(store, folder / "copy.tgz")
        self.database = (folder / "copy.sqlite").read_bytes()
        self.archive = (folder / "copy.tgz").read_bytes()
        with tarfile.open(fileobj=io.BytesIO(self.archive)) as tar:
            self.members = {each.name: opened.read() for each in tar if (opened := tar.extractfile(each))}

    def make(self, mutator: Mutator) -> bytes:
        match mutator.random.randrange(6):
            case 0:
                return mutator.bytes_of(self.database, [self.database], most=MAX_FILE)
            case 1 | 2:
                return self._altered(mutator)
            case 3:
                return mutator.bytes_of(self.archive, [self.archive], most=MAX_FILE)
            case 4:  # the tar inside, so that the checksums of gzip hold
                return gzip.compress(mutator.bytes_of(gzip.decompress(self.archive), most=MAX_FILE), mtime=0)
            case _:
                return self._packed(mutator)

    def _altered(self, mutator: Mutator) -> bytes:
        """Change a database by statements, or put any value into a column."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "a.sqlite")
            path.write_bytes(self.database)
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                for _ in range(mutator.random.randint(1, 3)):
                    try:
                        if mutator.random.randrange(2):
                            db.executescript(mutator.pick(STATEMENTS))
                        else:
                            table = mutator.pick(TABLES)
                            there = [row[1] for row in db.execute(f"pragma table_info({table})")]
                            column = mutator.pick(there or ["rowid"])
                            value = mutator.pick((*NUMBERS, *WORDS, None, b"", b"\xff", "1e999", 9e999))
                            db.execute(f"update {table} set {column} = ?", (value,))
                    except (sqlite3.Error, OverflowError):
                        pass  # not every value fits every column, nor every statement what came before it
            return path.read_bytes()

    def _packed(self, mutator: Mutator) -> bytes:
        """Pack an archive with a changed member, odd names and kinds of members."""
        packed = io.BytesIO()
        changed = mutator.pick(list(self.members))
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, content in self.members.items():
                if name == changed:
                    content = self._member(mutator, content)
                info = tarfile.TarInfo(mutator.pick((name, name, name, f"../../{name}", f"/{name}", "a\x01\udcff")))
                info.size = len(content)
                if not mutator.random.randrange(12):
                    info.type = mutator.pick((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE))
                    info.linkname = "/etc/passwd"
                tar.addfile(info, io.BytesIO(content))
        return packed.getvalue()

    def _member(self, mutator: Mutator, content: bytes) -> bytes:
        try:
            value = json.loads(content)
        except ValueError:
            return mutator.bytes_of(content)
        return json.dumps(mutator.json_of(value)).encode("utf-8", "surrogatepass")


def check(data: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "input"
        file.write_bytes(data)
        try:
            database = unpack(file, folder) if is_archive(file) else file
            with inspect_file(database, folder) as found:
                for table in TABLES:
                    for _ in found.rows(table):
                        pass
        except StoreError as error:
            assert len(str(error)) < 8192
        left = {path.name.partition("-")[0] for path in folder.iterdir()}
        assert left <= {"input", "unpacked.sqlite", "copy.sqlite"}, "nothing is written where an archive says"


def test_archives_and_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).resolve().parents[1] / "store")])
    fuzz("imports", Samples(tmp_path).make, check)
