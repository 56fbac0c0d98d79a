"""Credentials are nowhere but where they belong.

What opens an upstream is seen by that upstream alone, and what opens the gateway by the gateway alone:
neither is in a saved flow, a log, mitmweb, the database, or an answer, whatever goes wrong.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, product
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import PATIENCE, Gateway, Upstream, until
from mitmproxy import http, io

from omniroute.store.config import accounts, combos, keys, nodes
from omniroute.store.db.database import Store
from omniroute.store.history import usage

ACCOUNT = {  # of several shapes: what looks like a key is masked by its look, the others must be known
    "openai": "sk-proj-Quagga7f3Kd9Qw2Zx8Lm5Vb1",
    "responses": "Numbat4hR8tY2pLk6Jw0sXc",
    "claude": "sk-ant-api03-Okapi9mN3bV7cX1zL5kJ-AA",
    "gemini": "Tarsier2gHd8Fs4Ka6Pq0Wn",
}
OPENS = {
    "openai": ("authorization", "Bearer {}"),
    "responses": ("authorization", "Bearer {}"),
    "claude": ("x-api-key", "{}"),
    "gemini": ("x-goog-api-key", "{}"),
}
WRONG = "Wolverine5tGb9YhN3uJm7Ik1"
"""A key that nobody knows and that looks like nothing: clients show such ones by mistake."""
ECHOES = ("echo:400", "echo:401", "echo:500", "echo:200", "echo-late")
BEHAVIOURS = ("ok", "429", "cut-late", *ECHOES)
ENDPOINTS = {"completions": "openai", "responses": "responses", "messages": "claude"}
CLAUDE = "/v1/messages"
SHOWN = ("authorization", "x-api-key", "x-goog-api-key", "key")
"""Every way in which a client shows its key."""
QUIET = {"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization"}


@dataclass
class Run:
    """A gateway that has seen everything that can go wrong, stopped again."""

    folder: Path
    secrets: list[str]
    answers: list[httpx.Response]
    asked: list[tuple[str, dict[str, str], bytes]]
    """Dialect, headers and body of what the upstream got."""
    rows: list[usage.UsageRow]
    web: dict[str, bytes] = field(default_factory=dict)
    """What mitmweb said, by path."""

    def assert_clean(self, where: str, said: bytes) -> None:
        """Look for each secret, and for a piece of it: a cut or a mask could leave one."""
        for secret in self.secrets:
            core = secret.removeprefix(keys.MARK)[6:16].encode()
            at = said.find(core)
            assert at < 0, f"{secret!r} is in {where}: {said[max(0, at - 200) : at + 100]!r}"
            assert base64.b64encode(secret.encode()) not in said, where


def path(dialect: str, prefix: str, stream: bool) -> tuple[str, dict[str, Any]]:
    """Give path and body of a small request."""
    turn = [{"role": "user", "content": "hello"}]
    flag = {"stream": True} if stream else {}
    match dialect:
        case "openai":
            return "/v1/chat/completions", {"model": f"{prefix}/m", "messages": turn, **flag}
        case "responses":
            return "/v1/responses", {"model": f"{prefix}/m", "input": "hello", **flag}
        case "claude":
            return CLAUDE, {"model": f"{prefix}/m", "messages": turn, "max_tokens": 9, **flag}
        case _:
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
            return f"/v1beta/models/{prefix}/m:{verb}", body


def show(how: str, key: str) -> dict[str, Any]:
    if how == "key":
        return {"params": {"key": key}}
    return {"headers": {how: f"Bearer {key}" if how == "authorization" else key}}


def prefix(dialect: str, behaviour: str) -> str:
    return f"{dialect[0]}-{behaviour.replace(':', '-')}"


type Ask = tuple[str, dict[str, Any], dict[str, Any]]
"""Path and body of a POST, and what goes with it."""


def every_behaviour(key: str) -> Iterator[Ask]:
    for (number, dialect), behaviour, stream in product(enumerate(ACCOUNT), BEHAVIOURS, (False, True)):
        # Google's own way to ask for a stream has a query already.
        how = SHOWN[number % 3 if stream else number]
        yield *path(dialect, prefix(dialect, behaviour), stream), show(how, key)


def translated(key: str) -> Iterator[Ask]:
    ways = (("openai", "claude"), ("claude", "openai"), ("responses", "gemini"))
    for (client, upstream), behaviour, stream in product(ways, ECHOES, (False, True)):
        yield *path(client, prefix(upstream, behaviour), stream), show("authorization", key)
    for stream in (False, True):
        where, body = path("openai", "x", stream)
        yield where, {**body, "model": "falls"}, show("x-api-key", key)
        yield where, {**body, "model": "sinks"}, show("key", key)


def every_key(key: str) -> Iterator[Ask]:
    basic = base64.b64encode(f"me:{WRONG}".encode()).decode()
    for dialect in ACCOUNT:
        where, body = path(dialect, prefix(dialect, "ok"), False)
        for how in SHOWN:
            yield where, body, show(how, key)
            yield where, body, show(how, WRONG)
        yield where, {**body, "model": 5}, show("authorization", key)
        yield where, body, {"headers": {"authorization": f"Basic {basic}"}}
        yield where, body, {"headers": {"authorization": WRONG}}
        more = {"cookie": f"session={WRONG}", "proxy-authorization": f"Basic {WRONG}", "api-key": WRONG}
        yield where, body, {"headers": more}


def talk(client: httpx.Client, key: str) -> list[httpx.Response]:
    """Ask everything in every way."""
    asks = chain(every_behaviour(key), translated(key), every_key(key))
    answers = [client.post(where, json=body, **how) for where, body, how in asks]
    for how, shown in product(SHOWN, (key, WRONG)):
        answers.append(client.get("/v1/models", **show(how, shown)))
        answers.append(client.get("/nowhere", **show(how, shown)))
        answers.append(client.put(CLAUDE, content=b"{}", **show(how, shown)))
        answers.append(client.post("/v1/responses", content=b"{", **show(how, shown)))
    return answers


def look(web_url: str) -> dict[str, bytes]:
    """Take everything that mitmweb has to say, logged in as its user."""
    views = ("omniroute", "auto")
    with httpx.Client(base_url=web_url.partition("/?")[0], timeout=PATIENCE, trust_env=False) as client:
        assert client.get(web_url).status_code == 200
        flows = client.get("/flows").json()
        paths = ["/flows", "/flows/dump", "/events", "/state", "/options"]
        for flow in flows:
            for side in ("request", "response"):
                paths.append(f"/flows/{flow['id']}/{side}/content.data")
                paths += [f"/flows/{flow['id']}/{side}/content/{view}" for view in views]
        return {each: client.get(each).content for each in paths}


@pytest.fixture(scope="module", params=["mitmdump", "mitmweb"])
def run(
    request: pytest.FixtureRequest, _upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory
) -> Run:
    upstream = _upstreams()
    folder = tmp_path_factory.mktemp("gateway")
    made: list[str] = []

    def setup(store: Store) -> None:
        for dialect, secret in ACCOUNT.items():
            for behaviour in BEHAVIOURS:
                name = prefix(dialect, behaviour)
                base = upstream.base(behaviour) + ("/v1beta" if dialect == "gemini" else "/v1")
                nodes.add(store, name, dialect, base)
                accounts.add(store, name, api_key=secret)
        combos.add(store, "falls", ["o-echo-401/m", "o-echo-500/m", "o-echo-200/m", "o-ok/m"])
        combos.add(store, "sinks", ["o-echo-401/m", "o-echo-500/m", "o-echo-200/m"])
        made.append(keys.create(store, "client")[1])

    options = {"termlog_verbosity": "debug", "proxy_debug": "true", "save_stream_file": str(folder / "saved.flows")}
    options |= {"flow_detail": "4"} if request.param == "mitmdump" else {}
    with Gateway.start(folder, tool=request.param, options=options, setup=setup) as gateway:
        with httpx.Client(base_url=gateway.url, timeout=PATIENCE, trust_env=False) as client:
            answers = talk(client, made[0])
        asked = []
        for each in upstream.asked():
            last = each.path.partition("?")[0].rpartition("/")[2]
            asked.append((ENDPOINTS.get(last, "gemini"), dict(each.headers), each.body))
        admitted = sum(answer.headers.get("x-omniroute-attempts") is not None for answer in answers)
        rows = until(
            "every exchange is logged",
            lambda: found if len(found := usage.recent(gateway.store, 1000)) >= admitted else None,
        )
        web = look(gateway.web_url) if request.param == "mitmweb" else {}
    secrets = [*ACCOUNT.values(), WRONG, made[0]]
    return Run(folder, secrets, answers, asked, rows, web)


def test_the_talk_was_worth_it(run: Run) -> None:
    """Or the other tests would look at nothing."""
    statuses = {answer.status_code for answer in run.answers}
    assert {200, 400, 401, 404, 405, 429, 500, 502, 503} <= statuses
    assert {dialect for dialect, _, _ in run.asked} == set(ACCOUNT)
    routes = [
        answer.headers.get("x-omniroute-route", "") for answer in run.answers if answer.request.url.path == CLAUDE
    ]
    assert any(route.startswith("o-echo") for route in routes), "nothing was translated"


def test_the_upstream_gets_the_accounts_credential_and_no_other(run: Run) -> None:
    for dialect, headers, body in run.asked:
        name, form = OPENS[dialect]
        assert headers[name] == form.format(ACCOUNT[dialect])
        assert QUIET & set(headers) == {name}
        others = [secret for secret in run.secrets if secret != ACCOUNT[dialect]]
        said = repr(headers).encode() + body
        assert not [secret for secret in others if secret.encode() in said]


def test_answers(run: Run) -> None:
    for answer in run.answers:
        where = f"the answer {answer.status_code} to {answer.request.method} {answer.request.url.path}"
        run.assert_clean(where, answer.content)
        run.assert_clean(where, repr(answer.headers.raw).encode())


def test_an_error_still_says_what_went_wrong(run: Run) -> None:
    said = [answer.text for answer in run.answers if "Incorrect API key" in answer.text]
    assert said
    assert all("[hidden" in text for text in said)


def test_what_is_left_on_disk(run: Run) -> None:
    """The log with everything in it, the saved flows, the database and whatever else was written."""
    files = [file for file in run.folder.rglob("*") if file.is_file()]
    names = {file.name for file in files}
    assert {"gateway.log", "saved.flows", "storage.sqlite", "secrets.json"} <= names
    for file in files:
        run.assert_clean(file.name, file.read_bytes())
    log = (run.folder / "gateway.log").read_text(encoding="utf-8", errors="replace")
    assert "DataReceived" in log
    assert "/v1/chat/completions" in log


def test_saved_flows_can_be_read_and_hold_no_credentials(run: Run) -> None:
    with (run.folder / "saved.flows").open("rb") as file:
        flows = [flow for flow in io.FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]
    assert len(flows) >= len(run.answers)
    for flow in flows:
        assert not QUIET & {name.lower() for name in flow.request.headers}
        assert "key" not in flow.request.query
        run.assert_clean(flow.request.path, repr(flow.get_state()).encode())


def test_the_history(run: Run) -> None:
    assert len(run.rows) > 50
    for row in run.rows:
        run.assert_clean(f"the log row of {row.model_asked}", repr(row).encode())


@pytest.mark.parametrize("run", ["mitmweb"], indirect=True)
def test_mitmweb(run: Run) -> None:
    assert sum("/request/content/omniroute" in where for where in run.web) >= len(run.answers)
    assert b"Incorrect API key" in b"".join(run.web.values())
    for where, said in run.web.items():
        run.assert_clean(f"mitmweb's {where}", said)
