"""Start the whole gateway: `mitmdump -s addons/omniroute.py`, or `mitmweb -s …` to watch it."""

import sys
from pathlib import Path

# This script and the package share a name, and mitmproxy puts the script's own folder first on
# sys.path: without this line, `import omniroute` would find the script instead of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from omniroute.suite import build

addons = build()
