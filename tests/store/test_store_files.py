import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omniroute.store.config import accounts
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError, prepare, publish

Open = Callable[..., Store]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o277])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_what_is_made_is_private_under_every_umask(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    store = Store(data_dir, environ={})
    try:
        accounts.add(store, "openai", api_key="sk-one")
        made = {path.name: mode(path) for path in data_dir.iterdir()}
    finally:
        store.close()
    assert mode(data_dir) == 0o700
    assert made == dict.fromkeys(["secrets.json", "storage.sqlite", "storage.sqlite-wal", "storage.sqlite-shm"], 0o600)


def test_files_that_were_opened_to_others_are_closed_again(
    open_store: Open, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_store().close()
    (data_dir / "backups").mkdir(mode=0o700)
    (data_dir / "backups" / "storage-v1.sqlite").touch()
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o640)
    open_store()
    assert {mode(path) for path in data_dir.rglob("*") if path.is_file()} == {0o600}
    assert {path for path in files if f"{path} had mode 0640" in caplog.text} == set(files)


def test_a_directory_that_others_may_write_is_said(
    open_store: Open, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o777)
    open_store()
    assert f"chmod o-w {data_dir}" in caplog.text


def test_a_directory_that_was_there_keeps_its_mode(open_store: Open, data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    open_store()
    assert mode(data_dir) == 0o755


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(StoreError, match=r"cannot be written: .*(Not a directory|File exists); give another"):
            Store(path, environ={})
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


AS_NOBODY = """
import os, sys
from pathlib import Path
from omniroute.store.db.files import prepare
if os.geteuid() == 0:
    os.setuid(65534)  # modes do not bind root
prepare(Path(sys.argv[1]))
"""


def test_a_directory_that_cannot_be_written_is_said() -> None:
    with tempfile.TemporaryDirectory() as name:  # not pytest's own, into which only its user can look
        os.chmod(name, 0o555)
        command = [sys.executable, "-c", AS_NOBODY, name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert f"StoreError: the data directory {name!r} cannot be written: Permission denied" in done.stderr


def test_only_one_publishes(tmp_path: Path) -> None:
    path, barrier, won = tmp_path / "file", threading.Barrier(8), []

    def race(number: int) -> None:
        barrier.wait()
        if publish(path, str(number).encode() * 1000):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert path.read_text(encoding="utf-8") == str(won[0]) * 1000
    assert list(tmp_path.iterdir()) == [path]
    assert mode(path) == 0o600


def test_preparing_twice_is_fine(data_dir: Path) -> None:
    prepare(data_dir / "deep")
    prepare(data_dir / "deep")
    assert list((data_dir / "deep").iterdir()) == []
