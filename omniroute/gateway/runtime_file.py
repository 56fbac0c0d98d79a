"""The file in which a running gateway tells other processes of its data directory where it is."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from omniroute import __version__

FILE = "runtime.json"


class RuntimeFile:
    """Made when the gateway answers, and taken away at its end. Reads and writes the disk, so not on the event loop."""

    def __init__(self, data_dir: Path, said: Mapping[str, object]) -> None:
        self._path = data_dir / FILE
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({"pid": os.getpid(), **said, "version": __version__}), encoding="utf-8")
        draft.replace(self._path)

    def remove(self) -> None:
        """Delete it, unless another gateway on the same data directory has announced itself since."""
        try:
            ours = json.loads(self._path.read_text(encoding="utf-8"))["pid"] == os.getpid()
        except (OSError, ValueError, KeyError):
            return
        if ours:
            self._path.unlink(missing_ok=True)
