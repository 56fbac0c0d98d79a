"""The table of docs/translation.md is what translation does: each cell is found out by translating.

After a change of what is kept, run `UPDATE_DOCS=1 .venv/bin/python -m pytest tests/dialects/test_features.py` and
read the difference.
"""

import difflib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import features_replies as replies
import features_requests as requests
import pytest
from cases import every
from features import BASES, DIALECTS, MODELS, TITLES, Feature, body_of, classify, found, prepare
from features_replies import Said, classify_reply, streamed

from omniroute.dialects.registry import DIALECTS as REGISTRY
from omniroute.routing.failures import FailedAttempt, Failure, outcome

DOC = Path(__file__).resolve().parents[2] / "docs/translation.md"
BEGIN = "<!-- Everything below is written by tests/dialects/test_features.py: UPDATE_DOCS=1 rewrites it. -->\n"
PAIRS = list(permutations(DIALECTS, 2))
FEATURES = [feature for group in requests.GROUPS.values() for feature in group]
SAYINGS = [said for group in replies.GROUPS.values() for said in group]
FOREIGN = {
    ("claude", "bare text (`reasoning_content`)"),
    *((dialect, "the `thoughtSignature` of a call, back to a Gemini model") for dialect in ("claude", "responses")),
}
"""What its own providers refuse of a client, since they did not seal it."""
STATUSES = (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529)
ERRORS: dict[str, Any] = {
    "openai": {"error": {"message": "why", "type": "some_error", "code": None, "param": None}},
    "responses": {"error": {"message": "why", "type": "some_error", "code": None, "param": None}},
    "claude": {"type": "error", "error": {"type": "some_error", "message": "why"}},
    "gemini": {"error": {"code": 0, "message": "why", "status": "SOME_ERROR"}},
}


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(heads)
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def section(client: str, groups: dict[str, list[Any]], outcome_of: Callable[[Any, str, str], str]) -> Iterator[str]:
    others = [dialect for dialect in DIALECTS if dialect != client]
    for title, group in groups.items():
        rows = [(each.name, *(outcome_of(each, client, upstream) for upstream in others)) for each in group]
        if rows := [row for row in rows if set(row[1:]) != {"–"}]:
            yield from table([title, *(TITLES[dialect] for dialect in others)], rows)


def refusal(client: str, upstream: str, status: int) -> tuple[int, Any]:
    """Say what a client reads of an upstream's refusal."""
    fault = REGISTRY[upstream].read_error(status, json.dumps(ERRORS[upstream]).encode())
    error = outcome([FailedAttempt("m", "a", Failure("status", fault.message, status, fault))], targets=1)
    body = REGISTRY[client].write_error(error)
    assert "why" in body["error"]["message"]
    return error.status, body["error"].get("status") or body["error"]["type"]


def refusals(client: str, status: int) -> str:
    [(said, word)] = {refusal(client, upstream, status) for upstream in DIALECTS}
    return f"{said} `{word}`"


def render() -> str:
    lines = []
    for client in DIALECTS:
        lines += [f"## Requests of {TITLES[client]} clients, by upstream", ""]
        lines += section(client, requests.GROUPS, classify)
    for client in DIALECTS:
        lines += [f"## Answers to {TITLES[client]} clients, by upstream", ""]
        lines += section(client, replies.GROUPS, classify_reply)
    lines += ["## Refusals of a single upstream, of whatever dialect, by client", ""]
    rows = ((str(status), *(refusals(client, status) for client in DIALECTS)) for status in STATUSES)
    lines += table(["Status", *(TITLES[client] for client in DIALECTS)], rows)
    return "\n".join(lines)


def test_the_docs_say_what_translation_does() -> None:
    text = DOC.read_text("utf-8")
    head, _, said = text.partition(BEGIN)
    now = render()
    if os.environ.get("UPDATE_DOCS"):
        DOC.write_text(head + BEGIN + "\n" + now, encoding="utf-8")
        return
    changes = difflib.unified_diff(said.strip().splitlines(), now.strip().splitlines(), "docs", "found", "", "", 0, "")
    assert not (found := "\n".join(changes)), (
        f"docs/translation.md is out of date (UPDATE_DOCS=1 rewrites it):\n{found}"
    )


@every(("client", "upstream"), PAIRS)
def test_what_uses_no_feature_loses_nothing(client: str, upstream: str) -> None:
    """Else what a feature's request loses would not be the feature's."""
    model = {} if client == "gemini" else {"model": "asked"}
    for name in {MODELS[upstream], *(f.models[upstream] for f in FEATURES if upstream in f.models)}:
        assert prepare(client, upstream, model | BASES[client], name).dropped == ()


@every(("client", "upstream"), PAIRS)
def test_a_streamed_reply_says_as_much_as_a_whole_one(client: str, upstream: str) -> None:
    for said in SAYINGS:
        assert classify_reply(said, client, upstream, streamed) == classify_reply(said, client, upstream), said.name


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_dialect_passes_untouched(dialect: str) -> None:
    for feature in FEATURES:
        if dialect in feature.says and (dialect, feature.name) not in FOREIGN:
            body = body_of(feature, dialect, dialect)
            prepared = prepare(dialect, dialect, body, "asked")
            assert (prepared.raw, prepared.dropped) == (json.dumps(body).encode(), ()), feature.name


def test_no_row_stands_there_twice() -> None:
    names = Counter(each.name for each in FEATURES)
    assert [name for name, count in names.items() if count > 1] == []


@every("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_way_of_saying_it_is_no_part_of_every_request(feature: Feature) -> None:
    """A fragment that is always found would call everything kept."""
    for client, upstream in product(DIALECTS, DIALECTS):
        kept = {**feature.says, **feature.sees}.get(upstream)
        if kept is not None and client != upstream:
            fragment = kept(client) if callable(kept) else kept
            assert not found(fragment, BASES[upstream]), (feature.name, upstream)


def test_what_disappears_is_seen() -> None:
    """The check itself: a feature that nobody reports must fail."""
    feature = Feature("a wish", {"openai": {"user": "ada"}}, sees={"responses": {"nobody": "says so"}})
    with pytest.raises(AssertionError, match="a wish is silently lost from openai to responses"):
        classify(feature, "openai", "responses")
    said = Said("a word", {"openai": replies.openai()}, sees={"claude": replies.claude({"type": "never"})})
    with pytest.raises(AssertionError, match="a word is silently lost from openai to claude"):
        classify_reply(said, "claude", "openai")
