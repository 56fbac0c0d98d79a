"""Removal of leftovers of killed processes from a data directory."""

import logging
from dataclasses import dataclass

from omniroute.store.db import files
from omniroute.store.db.database import Store
from omniroute.store.db.directory_lock import RUNTIME, running_gateway
from omniroute.store.db.files import BACKUPS, KEY_FILE
from omniroute.store.transfer import import_

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """The leftovers that were removed."""

    leftovers: tuple[str, ...] = ()
    """Paths of files and folders, relative to the data directory."""
    history: int = 0
    """Number of usage records of interrupted imports."""

    def __str__(self) -> str:
        """Describe the removal in one line; empty if nothing was removed."""
        parts = []
        if self.leftovers:
            parts.append(f"removed what killed processes left behind: {', '.join(self.leftovers)}")
        if self.history:
            parts.append(f"undid an import that was interrupted: {self.history:,} usage records; import the file again")
        return "; ".join(parts)


def recover(store: Store) -> Recovered:
    """Delete temporary files of ended processes and undo their imports; those of running processes are left alone."""
    alone = store.alone() and running_gateway(store.data_dir) is None
    places = [
        (store.data_dir, files.FOLDER),
        (store.data_dir / BACKUPS, files.DRAFT),
        (store.data_dir, f".{KEY_FILE}."),
        (store.data_dir, f"{RUNTIME.partition('.')[0]}.[0-9]"),
    ]
    gone = [left for place, prefix in places for left in files.sweep(place, prefix, alone=alone)]
    found = Recovered(
        tuple(str(left.relative_to(store.data_dir)) for left in gone), history=import_.undo_interrupted(store)
    )
    if said := str(found):
        log.warning("%s", said)
    return found
