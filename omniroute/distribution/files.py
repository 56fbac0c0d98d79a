"""Locate the files that belong to the product but are not modules: the panel's pages and the addon script.

A wheel carries them inside the package; a checkout has them beside it.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
BUNDLED = PACKAGE / "bundled"
"""Where a wheel has them; pyproject.toml puts them there."""


def source_root() -> Path | None:
    """Give the root of the checkout that this package runs from; None for an installed package."""
    root = PACKAGE.parent
    return root if not BUNDLED.is_dir() and (root / "pyproject.toml").is_file() else None


def web_root() -> Path:
    """Give the folder of the panel's pages."""
    return _folder("web")


def addon_path() -> Path:
    """Give the path of the script for `mitmdump -s`."""
    return _folder("addons") / "omniroute.py"


def _folder(name: str) -> Path:
    return (BUNDLED if BUNDLED.is_dir() else PACKAGE.parent) / name
