"""Compares: what the upstream was told with what the client said, and what the client heard with what was answered."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType

from omniroute.bench.features import Feature
from omniroute.bench.vocabulary import BenchReply, Body

LONGEST = 400
"""Characters of what is said of one side."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that did not come through."""

    what: str
    expected: str
    got: str


@dataclass(slots=True)
class Verdict:
    wrong: list[Difference] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What the other dialect cannot say, which the gateway has said."""

    def expect(self, what: str, expected: object, got: object) -> None:
        """Note a difference."""
        if expected != got:
            self.wrong.append(Difference(what, _say(expected), _say(got)))

    def request(
        self, feature: Feature, client: ModuleType, sent: Body, upstream: ModuleType, got: Body, dropped: Iterable[str]
    ) -> None:
        """Compare the upstream's request with the client's. Only what was said to be left out may be missing."""
        said, heard = client.told(sent), upstream.told(got)
        left_out = {name.rpartition(".")[2] for name in dropped} | {name.partition(".")[0] for name in dropped}
        for name in feature.told:
            expected, found = getattr(said, name), getattr(heard, name)
            if expected != found and not found and left_out & NAMES.get(name, {name}):
                self.lost.append(name)
            else:
                self.expect(f"the upstream's {name}", expected, found)

    def answer(self, feature: Feature, expected: BenchReply, got: BenchReply) -> None:
        """Compare what the client heard with what was answered."""
        self.expect("an error", "", got.fault)
        for name in feature.spoken:
            self.expect(f"the client's {name}", getattr(expected, name), getattr(got, name))

    def refusal(self, status: int, words: str, got_status: int, got: BenchReply) -> None:
        """See that a refusal is one to the client too, in the same words."""
        self.expect("the client's status", status, got_status)
        if words not in got.fault:
            self.wrong.append(Difference("the client's error", words, _say(got.fault)))

    def broken(self, begun: str, got: BenchReply) -> None:
        """See that an answer that broke off is not taken for a whole one."""
        if not got.fault:
            self.wrong.append(Difference("the client's error", "that the answer has broken off", _say(got.fault)))
        self.expect("the client's end", "", got.end)
        if not got.text.startswith(begun):
            self.wrong.append(Difference("the client's text", begun, _say(got.text)))


NAMES = {
    "images": {"images", "image", "media"},
    "schema": {"schema", "format", "response_format"},
    "thinks": {"thinking", "reasoning"},
    "limit": {"limit", "max_tokens", "maxOutputTokens"},
    "stop": {"stop", "stop_sequences", "stopSequences"},
}
"""What the gateway may call a thing that it leaves out."""


def _say(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"{text[:LONGEST]}…" if len(text) > LONGEST else text
