"""Removal of what killed processes have left in a data directory."""

import logging
from dataclasses import dataclass

from omniroute.store import aside, past
from omniroute.store.database import Store
from omniroute.store.directory_lock import RUNTIME, running_gateway
from omniroute.store.files import BACKUPS, KEY_FILE

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was removed."""

    leftovers: tuple[str, ...] = ()
    """Names of files and folders, below the data directory."""
    history: int = 0
    """Usage records of imports that were interrupted."""

    def __str__(self) -> str:
        """Say it in one line; empty where nothing was removed."""
        parts = []
        if self.leftovers:
            parts.append(f"removed what killed processes left behind: {', '.join(self.leftovers)}")
        if self.history:
            parts.append(f"undid an import that was interrupted: {self.history:,} usage records; import the file again")
        return "; ".join(parts)


def recover(store: Store) -> Recovered:
    """Delete temporary files of processes that are gone and undo their imports; what others work at is left alone."""
    alone = store.alone() and running_gateway(store.data_dir) is None
    places = [
        (store.data_dir, aside.FOLDER),
        (store.data_dir / BACKUPS, aside.DRAFT),
        (store.data_dir, f".{KEY_FILE}."),
        (store.data_dir, f"{RUNTIME.partition('.')[0]}.[0-9]"),
    ]
    gone = [left for place, prefix in places for left in aside.sweep(place, prefix, alone=alone)]
    found = Recovered(
        tuple(str(left.relative_to(store.data_dir)) for left in gone), history=past.undo_interrupted(store)
    )
    if said := str(found):
        log.warning("%s", said)
    return found
