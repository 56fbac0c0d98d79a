"""Files of the data directory: private permissions, atomic writes and temporary folders."""

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
"""Name of the folder for backups, beside the database."""
KEY_FILE = "secrets.json"
"""Name of the key file, written at the first start, with the key of all encrypted values."""


class StoreError(Exception):
    """A refusal or failure of the store, described in one sentence for the user."""

    def __init__(self, message: str, *, field: str = "") -> None:
        """Set the message; `field` is the name of the invalid input field, if there is one."""
        super().__init__(message)
        self.field = field


class NeedsMigration(StoreError):
    """The database has an older schema version than this program."""


class StoreFailed(StoreError):
    """The database itself is busy or broken, whatever the query."""


def prepare(data_dir: Path) -> None:
    """Create the data directory with mode 0700 and check that it is writable.

    The mode of an existing directory is not changed: it may be shared on purpose, and each file of the gateway is
    private itself. Raises StoreError.
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
    """Create an empty private file unless it exists; make it, SQLite's files beside it and all backups private.

    SQLite gives the same mode to files that it adds later. Raises StoreError.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                keep_private(path.with_name(path.name + end))
        for copy in path.parent.glob(f"{BACKUPS}/*"):
            with contextlib.suppress(FileNotFoundError):  # another process has just finished or deleted it
                if not copy.is_dir():  # an unfinished copy has a private folder
                    keep_private(copy)
    except OSError as exc:
        raise StoreError(f"{str(path)!r} cannot be made: {exc.strerror}") from exc


def keep_private(path: Path) -> None:
    """Set the mode to 0600 if it differs, and log a warning if other users could access the file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode != 0o600:
        path.chmod(0o600)
    if mode & 0o077:
        log.warning("%s had mode %04o, so others on this machine may know what is in it; now it is 0600", path, mode)


def publish(path: Path, content: bytes) -> bool:
    """Create a private file atomically, synced to disk; return False when the file exists already.

    No process can see partial content, since the name is linked only after the content is complete.
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
    """Sync a directory, so that its entries survive a power failure."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


FOLDER = ".import-"
"""Name prefix of temporary folders for imports."""
DRAFT = ".copy-"
"""Name prefix of temporary folders for copies."""
LEFT_BEHIND = 3600.0
"""Age in seconds after which a temporary file counts as left by a killed process, where no lock tells."""

_locks: dict[Path, int] = {}
"""Temporary folder of this process -> descriptor that holds its lock."""


@contextlib.contextmanager
def folder(parent: Path, prefix: str = FOLDER) -> Iterator[Path]:
    """Create a locked temporary folder and remove it at the end of the block."""
    made = make(parent, prefix)
    try:
        yield made
    finally:
        remove(made)


def make(parent: Path, prefix: str = FOLDER) -> Path:
    """Create a locked temporary folder, to be deleted by `remove`. Raises StoreError."""
    try:
        while True:
            made = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
            descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):  # a file system without locks: only the age tells then
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if made.exists():
                _locks[made] = descriptor
                return made
            os.close(descriptor)  # another process removed it as a leftover before it was locked
    except OSError as exc:
        raise StoreError(f"{str(parent)!r} cannot be written: {exc.strerror}") from exc


def remove(made: Path) -> None:
    """Delete a temporary folder with its content and release its lock."""
    shutil.rmtree(made, ignore_errors=True)
    if (descriptor := _locks.pop(made, None)) is not None:
        os.close(descriptor)


def is_in_use(made: Path) -> bool:
    """Return whether a process, this one or another, still uses a temporary folder."""
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
    """Delete temporary files and folders of killed processes and return their paths.

    With `alone`, no other process uses the data directory, so files without a lock are deleted whatever their age.
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
