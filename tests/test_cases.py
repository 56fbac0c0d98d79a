"""The loop over cases: all run, and what fails is named."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cases import every


def failures(test: Callable[..., Any], **fixtures: Any) -> list[str]:
    with pytest.raises(ExceptionGroup) as caught:
        test(**fixtures)
    return [f"{error} {getattr(error, '__notes__', '')}" for error in caught.value.exceptions]


def test_every_case_runs_and_the_failing_ones_are_named() -> None:
    seen: list[Any] = []

    @every("letter", ["a", pytest.param("b", id="second")])
    @every(("number", "_even"), [(1, False), (2, True)])
    def each(letter: str, number: int, _even: bool, fixture: str) -> None:
        seen.append((letter, number, fixture))
        if (letter, number) == ("b", 1):
            raise ValueError("odd")
        if (letter, number) == ("b", 2):
            pytest.fail("even")

    first, second = failures(each, fixture="f")
    assert seen == [("a", 1, "f"), ("a", 2, "f"), ("b", 1, "f"), ("b", 2, "f")]
    assert first == "odd [\"in the case '1-False-second'\"]"
    assert second.startswith("2-True-second: even")


def test_coroutines_are_awaited() -> None:
    @every("number", [1, 2, 3])
    async def each(number: int) -> None:
        await asyncio.sleep(0)
        assert number != 2

    with pytest.raises(ExceptionGroup, match="1 of 3 cases failed"):
        asyncio.run(each())


def test_only_what_is_all_skipped_is_skipped() -> None:
    @every("number", [1, 2])
    def some(number: int) -> None:
        if number == 1:
            pytest.skip("not this one")

    @every("number", [1, 2])
    def none(number: int) -> None:
        pytest.skip("none")

    some()
    with pytest.raises(pytest.skip.Exception):
        none()


@every("number", range(3))
def test_pytest_gives_it_fixtures(tmp_path: Any, number: int) -> None:
    assert tmp_path.exists()
    assert number in range(3)
