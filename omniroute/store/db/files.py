"""The data directory: made private, written whole or not at all."""

import contextlib
import fcntl
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

BACKUPS = "backups"
"""The folder of the copies of the database, beside it."""
KEY_FILE = "secrets.json"
"""What was made at the first start: the key of all that is sealed, beside the database."""


class StoreError(Exception):
    """A refusal or a failure of the store: one sentence for the person who has to act on it."""

    def __init__(self, message: str, *, field: str = "") -> None:
        """Say what is wrong; `field` names what was given that is."""
        super().__init__(message)
        self.field = field


class NeedsMigration(StoreError):
    """The database is of an older version than this program."""


class StoreFailed(StoreError):
    """The database itself is busy or broken, whatever was asked of it."""


def prepare(data_dir: Path) -> None:
    """Make the directory, readable by its owner alone, and see that it can be written.

    The mode of a directory that is there already stays as it is: it may be shared on purpose, and every
    file of ours is private by itself. Raises StoreError.
    """
    try:
        if not data_dir.exists():
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            data_dir.chmod(0o700)  # the umask may have taken bits that the owner needs
        with tempfile.TemporaryFile(dir=data_dir):
            pass
        if data_dir.stat().st_mode & 0o002:
            log.warning("others may put files of theirs in place of ours in %s: chmod o-w %s", data_dir, data_dir)
    except OSError as exc:
        raise StoreError(
            f"the data directory {str(data_dir)!r} cannot be written: {exc.strerror}; "
            "give another one in DATA_DIR or --data-dir"
        ) from exc


def reserve(path: Path) -> None:
    """Make an empty private file where there is none; private what is there, what SQLite put beside it, and copies.

    What SQLite adds later gets the same mode.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                keep_private(path.with_name(path.name + end))
        for copy in path.parent.glob(f"{BACKUPS}/*"):
            with contextlib.suppress(FileNotFoundError):  # another process has just finished or deleted it
                if not copy.is_dir():  # a copy that is being made has a private folder
                    keep_private(copy)
    except OSError as exc:
        raise StoreError(f"{str(path)!r} cannot be made: {exc.strerror}") from exc


def keep_private(path: Path) -> None:
    """Set the mode to 0600 where it is anything else, and say so where others could read it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode != 0o600:
        path.chmod(0o600)
    if mode & 0o077:
        log.warning("%s had mode %04o, so others on this machine may know what is in it; now it is 0600", path, mode)


def publish(path: Path, content: bytes) -> bool:
    """Put a private file in place, complete and on disk; False when another process was first.

    Nobody can ever see half of it: the name appears only when the content is there.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o600)
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync(path.parent)
    return True


def sync(directory: Path) -> None:
    """See that the names in the directory survive a loss of power."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


FOLDER = ".import-"
"""Beginning of the names of folders of imports."""
DRAFT = ".copy-"
"""Beginning of the names of folders in which copies are written."""
LEFT_BEHIND = 3600.0
"""Seconds after which a file is that of a process that was killed, where no lock says more."""

_locks: dict[Path, int] = {}
"""Folder of this process -> the descriptor that holds its lock."""


@contextlib.contextmanager
def folder(parent: Path, prefix: str = FOLDER) -> Iterator[Path]:
    """Make one, for as long as it is needed."""
    made = make(parent, prefix)
    try:
        yield made
    finally:
        remove(made)


def make(parent: Path, prefix: str = FOLDER) -> Path:
    """Make one that `remove` takes away."""
    try:
        while True:
            made = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
            descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):  # a file system without locks: only age tells then
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if made.exists():
                _locks[made] = descriptor
                return made
            os.close(descriptor)  # another process took it for a leftover before it was locked
    except OSError as exc:
        raise StoreError(f"{str(parent)!r} cannot be written: {exc.strerror}") from exc


def remove(made: Path) -> None:
    """Take a folder away with all that is in it."""
    shutil.rmtree(made, ignore_errors=True)
    if (descriptor := _locks.pop(made, None)) is not None:
        os.close(descriptor)


def is_in_use(made: Path) -> bool:
    """Say whether a process, this one or another, still works in a folder."""
    try:
        descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return not _is_old(made)
    else:
        return False
    finally:
        os.close(descriptor)


def sweep(directory: Path, prefix: str, *, alone: bool = False) -> list[Path]:
    """Delete what killed processes left behind, and return it.

    `alone` says that no other process uses the data directory, so also files without locks belong to none.
    """
    gone = []
    with contextlib.suppress(FileNotFoundError):
        for left in sorted(directory.glob(f"{prefix}*")):
            if left.is_symlink():
                continue
            if left.is_dir():
                if not is_in_use(left):
                    shutil.rmtree(left, ignore_errors=True)
                    gone.append(left)
            elif alone or _is_old(left):
                left.unlink(missing_ok=True)
                gone.append(left)
    return gone


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > LEFT_BEHIND
    except FileNotFoundError:
        return False
