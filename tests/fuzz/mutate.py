"""Seeded mutations of bytes and of JSON values. The same seed and samples give the same inputs on every machine."""

import copy
import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

type Place = tuple[Any, Any]
"""A list or an object, and an index or a key of it."""

NUMBERS = (0, -1, 1, 255, 256, 65_535, 2**31, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63), 1e308, -1e-308, 0.5)
WORDS = ("", "0", "null", "[DONE]", "\x00", "\r\n", "\u202e\u2028", "é" * 9, "😀", "a" * 300, "{", '"', "\\", "data: x")
"""Texts that are special somewhere: ends of lines and streams, controls, marks of direction, halves of JSON."""
SPECIAL_BYTES = b'\x00\t\n\r "\\{}[]:,;\x7f\x80\xff'
MAX_SIZE = 64 * 1024
"""Bytes of an input: what grows with the square shows at this size, and one input stays quick."""
MAX_DEPTH = 64
"""Levels that a mutation nests a value deeper."""


class Mutator:
    """Makes inputs out of samples, with every decision taken from one seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def pick[T](self, items: Sequence[T]) -> T:
        return self.random.choice(items)

    def bytes_of(
        self, sample: bytes, others: Sequence[bytes] = (), *, words: Sequence[bytes] = (), most: int = MAX_SIZE
    ) -> bytes:
        """Change a sample in one to six places; `others` are spliced in, `words` are inserted whole."""
        data = bytearray(sample)
        for _ in range(self.random.randint(1, 6)):
            self._change(data, others, words)
        return bytes(data[:most])

    def _change(self, data: bytearray, others: Sequence[bytes], words: Sequence[bytes]) -> None:
        at = self.random.randint(0, len(data))
        end = min(len(data), at + self.random.choice((1, 2, 4, 16, 256)))
        match self.random.randrange(9):
            case 0 if at < len(data):
                data[at] ^= 1 << self.random.randrange(8)
            case 1 if at < len(data):
                data[at] = self.random.choice(SPECIAL_BYTES)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * self.random.choice((1, 2, 64))
            case 4:
                data[at:at] = self.random.randbytes(self.random.randint(1, 8))
            case 5:
                del data[at:]
            case 6 if others:
                other = self.pick(others)
                start = self.random.randint(0, len(other))
                data[at:end] = other[start : start + self.random.choice((8, 64, 512))]
            case 7 if words:
                data[at:at] = self.pick(words)
            case _:
                data[at:at] = bytes([self.random.choice(SPECIAL_BYTES)]) * self.random.choice((1, 2, 300))

    def json_of(self, sample: Any, others: Sequence[Any] = ()) -> Any:
        """Change a JSON value in one to four places: other types, missing and repeated members, deep nesting."""
        value = copy.deepcopy(sample)
        for _ in range(self.random.randint(1, 4)):
            places = list(places_of(value))
            if not places:
                return self.value(others)
            self._alter(places, others)
        return value

    def _alter(self, places: list[Place], others: Sequence[Any]) -> None:
        holder, key = self.pick(places)
        match self.random.randrange(7):
            case 0:
                del holder[key]
            case 1:
                holder[key] = self.value(others)
            case 2:  # what stands somewhere else in the same value
                other, place = self.pick(places)
                holder[key] = copy.deepcopy(other[place])
            case 3 if isinstance(holder, list):
                holder[key:key] = copy.deepcopy(holder[key : key + 1]) * self.pick((1, 2, 40))
            case 3:
                holder[self.pick(WORDS)] = holder.pop(key)
            case 4:
                for _ in range(self.random.randint(1, MAX_DEPTH)):
                    holder[key] = [holder[key]] if self.random.randrange(2) else {"items": holder[key]}
            case 5 if isinstance(holder[key], str):
                holder[key] = self.text_of(holder[key])
            case _:
                holder[key] = self.pick((None, True, False, [], {}, "", [None], {"type": "object"}))

    def value(self, others: Sequence[Any] = ()) -> Any:
        """Give any value: a number or text at an edge, a part of another sample, or an empty container."""
        match self.random.randrange(4):
            case 0:
                return self.pick(NUMBERS)
            case 1:
                return self.pick(WORDS)
            case 2 if others and (places := list(places_of(self.pick(others)))):
                holder, key = self.pick(places)
                return copy.deepcopy(holder[key])
            case _:
                return self.pick((None, True, [], {}, [[]], [{}], {"": None}))

    def text_of(self, text: str) -> str:
        at = self.random.randint(0, len(text))
        return text[:at] + self.pick(WORDS) + text[at if self.random.randrange(2) else len(text) :]

    def cuts(self, data: bytes) -> list[bytes]:
        """Cut bytes into a few pieces, or into single bytes where they are few."""
        if len(data) <= 300 and not self.random.randrange(4):
            return [data[at : at + 1] for at in range(len(data))]
        ends = sorted(self.random.randint(0, len(data)) for _ in range(self.random.randint(0, 6)))
        return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def places_of(value: Any) -> Iterator[Place]:
    """Give every place in a JSON value, level by level."""
    level = [value] if isinstance(value, dict | list) else []
    while level:
        places = [
            (holder, key)
            for holder in level
            for key in (holder if isinstance(holder, dict) else range(len(holder)))  # in the order of the sample
        ]
        yield from places
        level = [inner for holder, key in places if isinstance(inner := holder[key], dict | list)]


def dump(value: Any) -> bytes:
    """Write a value as JSON; numbers that no JSON has stand as Python writes them."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
