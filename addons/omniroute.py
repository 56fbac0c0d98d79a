"""Start the whole gateway: `mitmdump -s addons/omniroute.py`, or `mitmweb -s …` to watch it.

An installed package prints the path of this script with `omniroute-ctl addon-path`.
"""

import logging
import sys
from pathlib import Path

# This script and the package share a name, and mitmproxy puts the script's own folder first on
# sys.path: without this line, `import omniroute` would find the script instead of the package.
sys.path.insert(0, str(next(p for p in Path(__file__).resolve().parents if (p / "omniroute/__init__.py").is_file())))

from omniroute.distribution.requirements import explain

try:
    from omniroute.suite import build

    addons = build()
except Exception as error:
    if (text := explain(error)) is None:
        raise
    addons = []
    logging.getLogger("omniroute").error("%s", text)  # mitmproxy ends a start that has logged an error
