"""Answers by what their requests have in common."""

from collections.abc import Iterable

from omniroute.replays.answer import Answer


class Buckets:
    """The answers that may be given to who says nearly the same; the others are in no bucket."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Answer]] = {}
        self._of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._of)

    def put(self, key: str, answer: Answer) -> None:
        self.drop((key,))
        if answer.bucket:
            self._kept.setdefault(answer.bucket, {})[key] = answer
            self._of[key] = answer.bucket

    def drop(self, keys: Iterable[str]) -> None:
        for key in keys:
            if (bucket := self._of.pop(key, None)) is not None:
                del self._kept[bucket][key]
                if not self._kept[bucket]:
                    del self._kept[bucket]

    def clear(self) -> None:
        self._kept.clear()
        self._of.clear()

    def of(self, bucket: str) -> Iterable[tuple[str, Answer]]:
        """Give what is in a bucket."""
        return self._kept.get(bucket, {}).items()
