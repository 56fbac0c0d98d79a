"""The file that announces a running gateway to other processes of its data directory."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from omniroute import __version__

FILE = "runtime.json"


class RuntimeFile:
    """Created when the gateway is ready, removed at its end. Does blocking disk I/O, so not for the event loop."""

    def __init__(self, data_dir: Path, said: Mapping[str, object]) -> None:
        self._path = data_dir / FILE
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({"pid": os.getpid(), **said, "version": __version__}), encoding="utf-8")
        draft.replace(self._path)

    def remove(self) -> None:
        """Delete the file, unless another gateway on the same data directory has replaced it."""
        try:
            ours = json.loads(self._path.read_text(encoding="utf-8"))["pid"] == os.getpid()
        except (OSError, ValueError, KeyError):
            return
        if ours:
            self._path.unlink(missing_ok=True)
