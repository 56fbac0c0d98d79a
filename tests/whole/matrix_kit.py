"""What the matrix of official SDKs and upstream dialects shares: the running pair, and what is asked of it."""

import base64
import itertools
from dataclasses import dataclass
from typing import Literal

from cases import every
from faithful.server import MODELS, Provider
from harness import Gateway
from pydantic import BaseModel

UPSTREAMS = tuple(MODELS)
HOW = every("stream", [False, True], ids=["whole", "stream"])
AT = every("at", UPSTREAMS)
MOVES = every(("at", "then"), [*itertools.product(UPSTREAMS, repeat=2)])
"""Where a conversation begins and where it goes on: a fallback may move it, seals and all."""
AT_OTHERS = every("at", [at for at in UPSTREAMS if at != "gemini"])
"""For Google's client: what it says to its own service is untouched, and spelled as no one else would."""

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SEEN = f"image/png of {len(PNG)} bytes"
TWO_CITIES = "What is the weather in Oslo and in Rome?"
WEATHER = {"Oslo": "rain in Oslo", "Rome": "sun in Rome"}
TOLD = "the tool said rain in Oslo; the tool said sun in Rome"
THOUGHT = f"Let me think about this: {TWO_CITIES}"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Wind(BaseModel):
    speed: int
    title: str


class Report(BaseModel):
    """Holds what dialects differ in: references, choices, words, and a property that is called as a keyword."""

    title: str
    sky: Literal["clear", "grey"]
    wind: Wind
    gusts: list[Wind]
    note: str | None


REPORT = Report(
    title="a title",
    sky="clear",
    wind=Wind(speed=7, title="a title"),
    gusts=[Wind(speed=7, title="a title")],
    note="a note",
)


@dataclass
class Matrix:
    gateway: Gateway
    provider: Provider
    key: str

    def model(self, at: str) -> str:
        return f"at-{at}/{MODELS[at]}"


def shown(status: int) -> int:
    """Give the status that a client sees: the upstream's own, but that the gateway's credential is not the client's."""
    return 502 if status in {401, 403} else status
