"""Names and ids that a target's rules forbid, made fit the same way each time."""

import re
from hashlib import sha256

FIT = re.compile(r"[a-zA-Z0-9_-]{1,64}")
UNFIT = re.compile(r"[^a-zA-Z0-9_-]")


class ToolNames:
    """Fits the names of tools to 64 of [a-zA-Z0-9_-], and knows the way back."""

    def __init__(self) -> None:
        self.back: dict[str, str] = {}
        """What was said -> what it stands for, for the names that had to change."""

    def fit(self, name: str) -> str:
        if FIT.fullmatch(name):
            return name
        return self._replace(name, name)

    def _replace(self, name: str, alike: str) -> str:
        """Say something like `alike` for `name`; the digest keeps apart what looks the same then."""
        said = f"{UNFIT.sub('_', alike)[:55]}_{_digest(name)[:8]}"
        self.back[said] = name
        return said


def fit_id(call_id: str, limit: int) -> str:
    """Make the id of a call acceptable: the same id gives the same one in each turn."""
    if len(call_id) <= limit and FIT.fullmatch(call_id):
        return call_id
    return derive_id("call_", call_id)


def derive_id(prefix: str, *facts: object) -> str:
    """Make an id where the upstream gave none, out of what is known."""
    return prefix + _digest("/".join(map(str, facts)))[:24]


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
