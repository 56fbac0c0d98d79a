"""Run many small cases in one test.

`every` takes what `pytest.mark.parametrize` takes and loops over the cases inside a single test: all of them run, and
the failing ones are reported together, by name. It is for cases that take microseconds, where a test of its own for
each would cost more than the case. Fixtures are made once for all cases: no case may change what another one sees.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

type Case = tuple[str, dict[str, Any]]
"""A name and the arguments that it stands for."""
type Ids = Iterable[object] | Callable[[Any], Any] | None
SHOWN = 60
"""Characters of a value in the name of its case."""


def every(
    names: str | Sequence[str], values: Iterable[Any], *, ids: Ids = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Call the test with each of the values; several of these decorators multiply, as with `parametrize`."""
    given = list(_read(names, values, ids))
    assert given, "no cases"

    def decorate(decorated: Callable[..., Any]) -> Callable[..., Any]:
        test, inner = getattr(decorated, "_every", (decorated, [("", {})]))
        cases = [("-".join(filter(None, (a, b))), v | w) for b, w in given for a, v in inner]
        return _loop(test, cases)

    return decorate


def _read(names: str | Sequence[str], values: Iterable[Any], ids: Ids) -> Iterator[Case]:
    columns = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    listed = None if ids is None or callable(ids) else iter(ids)
    show = ids if callable(ids) else None
    for value in values:
        name = next(listed) if listed else None
        if isinstance(value, ParameterSet):
            assert not value.marks, "a case has no marks of its own; pytest.mark.parametrize gives it some"
            row, name = value.values, value.id or name
        else:
            row = (value,) if isinstance(names, str) and len(columns) == 1 else tuple(value)
        name = "-".join(_show(each, show) for each in row) if name is None else name
        yield str(name), dict(zip(columns, row, strict=True))


def _show(value: object, ids: Callable[[Any], Any] | None) -> str:
    shown = ids(value) if ids else None
    if shown is None:
        shown = value if isinstance(value, str) else getattr(value, "__name__", None) or repr(value)
    return str(shown)[:SHOWN]


class _Results:
    """What became of the cases of one test."""

    def __init__(self) -> None:
        self.passed = 0
        self.failures: list[Exception] = []
        self.skips: list[pytest.skip.Exception] = []

    @contextmanager
    def case(self, name: str) -> Iterator[None]:
        try:
            yield
        except pytest.skip.Exception as skipped:
            self.skips.append(skipped)
        except pytest.fail.Exception as failed:
            self.failures.append(AssertionError(f"{name}: {failed}"))
        except Exception as error:
            error.add_note(f"in the case {name!r}")
            self.failures.append(error)
        else:
            self.passed += 1

    def report(self, total: int) -> None:
        if self.failures:
            raise ExceptionGroup(f"{len(self.failures)} of {total} cases failed", self.failures)
        if not self.passed:
            raise self.skips[0]


def _loop(test: Callable[..., Any], cases: list[Case]) -> Callable[..., Any]:
    run: Callable[..., Any]
    if inspect.iscoroutinefunction(test):

        async def run(**fixtures: Any) -> None:
            results = _Results()
            for name, values in cases:
                with results.case(name):
                    await test(**fixtures, **values)
            results.report(len(cases))

    else:

        def run(**fixtures: Any) -> None:
            results = _Results()
            for name, values in cases:
                with results.case(name):
                    test(**fixtures, **values)
            results.report(len(cases))

    functools.update_wrapper(run, test)
    given = set(cases[0][1])
    parameters = [each for each in inspect.signature(test).parameters.values() if each.name not in given]
    run.__signature__ = inspect.Signature([each.replace(kind=each.KEYWORD_ONLY) for each in parameters])  # type: ignore[attr-defined]
    run._every = (test, cases)  # type: ignore[attr-defined]
    return run
