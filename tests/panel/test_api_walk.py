"""Every route of the OpenAPI document is asked in all ways that the document allows, and in some that it does not.

Nothing breaks, and every answer is one that the document describes. What the routes make is asked for again.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from panel_api import Api, row

from omniroute.store.config import accounts, combos, keys, nodes
from omniroute.store.history import usage

schemathesis = pytest.importorskip("schemathesis", reason="The walk needs Schemathesis: scripts/test installs it.")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

EXAMPLES = int(os.environ.get("EXAMPLES", "2"))
"""Of each route and kind of request: those that are right and those that are not."""
OFTEN = settings(max_examples=EXAMPLES, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
KEPT = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
NAMES = ("id", "number", "name", "prefix", "modelId")
REFERS = {"keyId", "key", "provider", "account", "connectionId", "id", "model", "combo", "ref", "features"}
OTHERS = ["nobody", "../../etc/passwd", "%2e%2e", "é\x00"]
ORDER = ("post", "put", "patch", "get", "delete")
"""What is made first can be changed, looked at, and in the end removed."""


@pytest.fixture
async def lonely(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Give an API with something of everything in its store, of which nobody can reach another machine."""
    found = socket.getaddrinfo

    def alone(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "localhost", "::1", None):
            raise socket.gaierror(socket.EAI_NONAME, "nobody is there")
        return found(host, *rest, **more)

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(socket, "getaddrinfo", alone)
    nodes.add(api.store, "box", dialect="openai", base_url="http://127.0.0.1:9/v1", name="box")
    accounts.add(api.store, "box", name="work", api_key="sk-not-a-key")
    combos.add(api.store, "mix", ["box/llama"])
    keys.create(api.store, "laptop")
    usage.record(api.store, [row()])
    await api.runtime.refresh()
    return api


class Walk:
    """Asks one operation after the other, and notes what should not be."""

    def __init__(self, api: Api) -> None:
        self.url = api.url
        self.headers = {"authorization": f"Bearer {api.token}"}
        self.known: dict[str, list[str]] = {}
        """What things are called, by the path under which they are."""
        self.wrong: list[str] = []
        self.statuses: dict[str, set[int]] = {}

    def ask_all(self, operation: Any) -> None:
        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.body or operation.query:  # else nothing can be wrong with a request
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        for mode in modes:

            @OFTEN
            @given(operation.as_strategy(generation_mode=mode), st.randoms(use_true_random=False))
            def ask(case: Any, dice: Random) -> None:
                names = self.known.get(_above(operation.path), []) + OTHERS
                for name in case.path_parameters or ():
                    case.path_parameters[name] = dice.choice(names)
                if isinstance(case.body, dict) and dice.random() < 0.5:
                    case.body |= {name: dice.choice(self._all()) for name in REFERS & set(case.body)}
                self._ask(case)

            ask()

    def _ask(self, case: Any) -> None:
        where = f"{case.method} {case.path}"
        answer = case.call(base_url=self.url, headers=self.headers, timeout=120)
        self.statuses.setdefault(where, set()).add(answer.status_code)
        if answer.status_code == 500:
            self.wrong.append(f"{case.as_curl_command()}\n{answer.text}")
        try:
            case.validate_response(answer, checks=KEPT)
        except BaseExceptionGroup as found:
            self.wrong.append(f"{where}: {found.exceptions}")
        if "application/json" in answer.headers.get("content-type", [""])[0]:
            known = self.known.setdefault(_above(case.path), [])
            known += {*islice(_names(answer.json()), 10)}.difference(known)

    def _all(self) -> list[str]:
        return [name for names in self.known.values() for name in names] + OTHERS


def _above(path: str) -> str:
    return path.partition("/{")[0]


def _names(said: Any) -> Iterator[str]:
    """Give what things are called in an answer."""
    if isinstance(said, list):
        for each in said[:3]:
            yield from _names(each)
    elif isinstance(said, dict):
        for name, each in said.items():
            if name in NAMES and isinstance(each, str | int):
                yield str(each)
            else:
                yield from _names(each)


async def test_every_route_answers_as_its_document_says(lonely: Api) -> None:
    async with lonely.client(token=True) as client:
        document = (await client.get("/api/openapi.json")).json()
    operations = [each.ok() for each in schemathesis.openapi.from_dict(document).get_all_operations()]
    assert len(operations) == sum(map(len, document["paths"].values()))
    walk = Walk(lonely)
    lists = [each for each in operations if each.method == "get" and "{" not in each.path]
    for each in (*lists, *sorted(operations, key=lambda each: ORDER.index(each.method))):
        await asyncio.to_thread(walk.ask_all, each)
    assert walk.wrong == []
    well = [where for where, statuses in walk.statuses.items() if min(statuses) < 300]
    assert len(well) > len(operations) / 2, walk.statuses
