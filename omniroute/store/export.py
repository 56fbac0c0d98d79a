"""Takes the database out of the data directory while others go on writing to it."""

from pathlib import Path

from omniroute.store import archive
from omniroute.store.backups import CONVERSATIONS
from omniroute.store.copies import copy_database
from omniroute.store.database import Store
from omniroute.store.files import StoreError


def export(store: Store, target: Path, *, replace: bool = False) -> int:
    """Copy the database but for kept conversations, and give the bytes. Credentials in it stay encrypted."""
    where = checked(store, target, replace=replace)
    return copy_database(store.path, where, without=CONVERSATIONS, replace=replace)


def export_all(store: Store, target: Path, *, replace: bool = False) -> dict[str, int]:
    """Write everything but credentials as an archive, and give the rows of each table."""
    return archive.write_all(store, checked(store, target, replace=replace), replace=replace)


def into(store: Store, folder: Path, *, everything: bool) -> Path:
    """Write the same into a folder of ours: the database, or with `everything` the archive without credentials."""
    if everything:
        archive.write_all(store, target := folder / "all.tar.gz", replace=False)
    else:
        copy_database(store.path, target := folder / "storage.sqlite", without=CONVERSATIONS)
    return target


def checked(store: Store, target: Path, *, replace: bool) -> Path:
    """Give where to write; StoreError for what would be overwritten, or is ours."""
    if not target.parent.is_dir():
        raise StoreError(f"there is no folder {str(target.parent)!r}")
    if target.parent.resolve().is_relative_to(store.data_dir.resolve()):
        raise StoreError(f"{str(target)!r} is in the data directory: choose another place, or make a backup")
    if target.is_dir():
        raise StoreError(f"{str(target)!r} is a folder: say the name of a file")
    if target.exists() and not replace:
        raise StoreError(f"{str(target)!r} is there already; it was left as it is (--force overwrites it)")
    return target
