"""The result of one check of `omniroute-ctl doctor`."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    verdict: Literal["ok", "warn", "fail"]
    name: str
    found: str
    advice: str | None = None
