"""Who may ask what: every route refuses without a log-in, and no page of another origin gets in with somebody's."""

import asyncio
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from cases import every
from panel_api import WORDS, Api, StartApi

from omniroute.mitm.management_relay import PEER
from omniroute.panel.api import ROUTES
from omniroute.panel.http import browser_cookie_name
from omniroute.panel.routes import Route
from omniroute.store.config import ip_filter, keys
from omniroute.store.db.database import Store
from omniroute.store.state import password, sessions

PUBLIC = {
    "GET /healthz",
    "GET /readyz",
    "GET /api/init",
    "POST /api/auth/login",
    "POST /api/auth/logout",
    "GET /api/auth/status",
    "GET /api/settings/require-login",
}
ELSEWHERE = "203.0.113.9"


def path_of(route: Route) -> str:
    return re.sub(r"{\w+}", "x", route.path)


async def ask(client: httpx.AsyncClient, route: Route, **how: Any) -> httpx.Response:
    body = {"json": {}} if route.body else {}
    return await client.request(route.method, path_of(route), **body, **how)


async def test_every_route_refuses_without_a_login(api: Api) -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES if route.public} == PUBLIC
    for peer in (None, ELSEWHERE):
        async with api.client(peer=peer) as client:
            for route in ROUTES:
                if route.public:
                    continue
                answer = await ask(client, route)
                assert answer.status_code == 401, route
                assert answer.json()["error"]["type"] == "not_allowed"


async def test_every_route_lets_the_token_and_a_session_in(api: Api) -> None:
    for client in (api.client(token=True), await api.logged_in()):
        async with client:
            for route in ROUTES:
                if not route.path.startswith("/api/auth/"):
                    assert (await ask(client, route)).status_code not in (401, 403, 500), route


@pytest.mark.parametrize("shown", ["sk-omni-admin-wrong", "x" * 5000, "é".encode().decode("latin-1")])
async def test_a_wrong_token_is_refused_even_beside_a_session(api: Api, shown: str) -> None:
    async with await api.logged_in() as client:
        answer = await client.get("/api/keys", headers={"authorization": f"Bearer {shown}".encode("latin-1")})
        assert answer.status_code == 401


async def test_a_clients_key_does_not_manage(start: StartApi, tmp_path: Path) -> None:
    with closing(Store(tmp_path / "data", environ={})) as store:
        _, shown = keys.create(store, "client")
    api = await start()
    async with api.client(headers={"authorization": f"Bearer {shown}"}) as client:
        answer = await client.get("/api/keys")
    assert answer.status_code == 403
    assert shown not in answer.text


async def test_a_key_for_administering_does(start: StartApi, tmp_path: Path) -> None:
    with closing(Store(tmp_path / "data", environ={})) as store:
        _, shown = keys.create(store, "ops", change=keys.KeyEdit(scopes=["admin"], ips=["203.0.113.0/24"]))
    api = await start()
    for peer, status in ((ELSEWHERE, 200), ("198.51.100.4", 403)):
        async with api.client(peer=peer, headers={"authorization": f"Bearer {shown}"}) as client:
            assert (await client.get("/api/keys", headers={"host": "gateway:20128"})).status_code == status


async def test_who_is_kept_out_of_inference_is_kept_out_here_too(start: StartApi, tmp_path: Path) -> None:
    with closing(Store(tmp_path / "data", environ={})) as store:
        ip_filter.put(store, "ban", [ELSEWHERE], until=store.clock() + 3600)
    api = await start()
    for headers in ({}, {"authorization": f"Bearer {api.token}"}):
        async with api.client(peer=ELSEWHERE, headers=headers) as client:
            for path in ("/healthz", "/api/keys"):
                answer = await client.get(path)
                assert answer.status_code == 403
                assert "banned" in answer.json()["error"]["message"]


async def test_without_a_needed_login_only_this_machine_is_let_in(start: StartApi) -> None:
    api = await start(OMNIROUTE_REQUIRE_LOGIN="false")
    for peer, headers, status in (
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        (ELSEWHERE, {}, 401),
        ("127.0.0.1", {"x-forwarded-for": ELSEWHERE}, 401),
        ("127.0.0.1", {"forwarded": f"for={ELSEWHERE}"}, 401),
        ("127.0.0.1", {"host": "evil.example"}, 403),
        ("127.0.0.1", {"origin": "http://evil.example"}, 403),
    ):
        async with api.client(peer=peer) as client:
            assert (await client.get("/api/keys", headers=headers)).status_code == status, (peer, headers)


# pages of other origins

PAGES: tuple[dict[str, str], ...] = (
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"host": "evil.example", "origin": "http://evil.example", "sec-fetch-site": "same-origin"},  # DNS rebinding
    {"host": "127.0.0.1.evil.example"},
    {"host": "localhost.evil.example"},
    {"host": "[::1"},
    {"host": "evil.example:80", "origin": "http://evil.example:80"},
)


@every("headers", PAGES)
@every(("method", "path"), [("GET", "/api/keys"), ("POST", "/api/keys"), ("POST", "/api/auth/login")])
async def test_a_page_of_another_origin_is_refused(api: Api, method: str, path: str, headers: dict[str, str]) -> None:
    async with await api.logged_in() as client:
        body = None if method == "GET" else {"password": WORDS} if "login" in path else {"name": "x"}
        answer = await client.request(method, path, json=body, headers=headers)
    assert answer.status_code in (400, 403)
    assert "set-cookie" not in answer.headers
    assert not keys.rows.keys(api.store)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:9", "192.0.2.7:20128", "llm.example.org"]
)
async def test_our_own_page_is_let_in(start: StartApi, host: str) -> None:
    api = await start(BASE_URL="https://llm.example.org")
    async with await api.logged_in() as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    async with api.client(headers={"cookie": cookie}) as client:
        headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
        assert (await client.get("/api/keys", headers=headers)).status_code == 200


async def test_a_token_is_let_in_under_any_name(api: Api) -> None:
    async with api.client(token=True) as client:
        assert (await client.get("/metrics", headers={"host": "gateway:20128"})).status_code == 200


async def test_machines_ask_under_any_name(api: Api) -> None:
    async with api.client() as client:
        assert (await client.get("/healthz", headers={"host": "gateway:20128"})).status_code == 200


# sessions


async def test_logging_in_and_out(api: Api) -> None:
    async with api.client() as client:
        assert (await client.get("/api/auth/status")).json()["authenticated"] is False
        answer = await client.post("/api/auth/login", json={"password": WORDS})
        said = answer.headers["set-cookie"]
        assert "HttpOnly" in said
        assert "SameSite=Lax" in said
        assert "Secure" not in said
        assert (await client.get("/api/auth/status")).json()["authenticated"] is True
        kept = dict(client.cookies)
        await client.post("/api/auth/logout")
        assert not [name for name in client.cookies if "session" in name]
    cookie = "; ".join(f"{name}={value}" for name, value in kept.items())
    async with api.client(headers={"cookie": cookie}) as client:  # it has ended here too, not only in the browser
        assert (await client.get("/api/keys")).status_code == 401


@pytest.mark.parametrize(
    ("environ", "secure"),
    [({"BASE_URL": "https://x.example"}, True), ({"AUTH_COOKIE_SECURE": "true"}, True),
     ({"BASE_URL": "https://x.example", "AUTH_COOKIE_SECURE": "false"}, False)],
)  # fmt: skip
async def test_cookies_for_https_alone(start: StartApi, environ: dict[str, str], secure: bool) -> None:
    api = await start(**environ)
    async with api.client() as client:
        answer = await client.post("/api/auth/login", json={"password": WORDS})
    assert ("Secure" in answer.headers["set-cookie"]) is secure


async def test_a_login_begins_a_session_of_its_own(api: Api) -> None:
    """A session that somebody else has put into the browser is worth nothing, and ends."""
    async with await api.logged_in() as client:
        name, planted = next(iter(client.cookies.items()))
    async with api.client(headers={"cookie": f"{name}={planted}"}) as client:
        answer = await client.post("/api/auth/login", json={"password": WORDS})
    assert planted not in answer.headers["set-cookie"]
    assert not sessions.is_live(api.store, planted)


async def test_a_session_expires(start: StartApi) -> None:
    now = [1_800_000_000.0]
    api = await start(wall=lambda: now[0])
    async with await api.logged_in() as client:
        assert (await client.get("/api/keys")).status_code == 200
        now[0] += sessions.LASTS
        assert (await client.get("/api/keys")).status_code == 401


async def test_a_new_password_ends_every_session(api: Api) -> None:
    async with await api.logged_in() as client:
        for said, status in (
            ({"newPassword": "another one"}, 403),
            ({"newPassword": "short", "currentPassword": WORDS}, 400),
        ):
            assert (await client.patch("/api/settings", json=said)).status_code == status
        said = {"newPassword": "another one", "currentPassword": WORDS}
        assert (await client.patch("/api/settings", json=said)).status_code == 200
        assert (await client.get("/api/keys")).status_code == 401
    assert password.matches(api.store, "another one")


# lock-outs


async def test_wrong_passwords_lock_who_shows_them_and_nobody_else(start: StartApi) -> None:
    now = [1_800_000_000.0]
    api = await start(wall=lambda: now[0])
    async with api.client(peer=ELSEWHERE) as client, api.client(peer="198.51.100.4") as other:
        answers = [await client.post("/api/auth/login", json={"password": "guess"}) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 5
        refused = await client.post("/api/auth/login", json={"password": WORDS})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert (await other.post("/api/auth/login", json={"password": WORDS})).status_code == 200
        now[0] += 60
        assert (await client.post("/api/auth/login", json={"password": WORDS})).status_code == 200


async def test_a_wrong_password_counts_where_another_is_set_too(start: StartApi) -> None:
    now = [1_800_000_000.0]
    api = await start(wall=lambda: now[0])
    async with await api.logged_in(peer=ELSEWHERE) as client:

        async def change(**said: str) -> int:
            return (await client.patch("/api/settings", json={"newPassword": "another one"} | said)).status_code

        assert [await change() for _ in range(9)] == [403] * 9, "who shows none has not guessed"
        assert [await change(currentPassword=f"guess {n}") for n in range(5)] == [403] * 3 + [429] * 2
        assert await change(currentPassword=WORDS) == 429
        assert (await client.patch("/api/settings", json={"settings": {"cache.ttl": 60}})).status_code == 200
        now[0] += 60
        assert await change(currentPassword=WORDS) == 200


async def test_many_guesses_at_once_are_not_all_looked_at(api: Api) -> None:
    async with api.client(peer=ELSEWHERE) as client:
        guesses = [client.post("/api/auth/login", json={"password": f"guess {n}"}) for n in range(20)]
        statuses = [answer.status_code for answer in await asyncio.gather(*guesses)]
    assert statuses.count(401) == 3
    assert statuses.count(429) == 17


async def test_nobody_can_name_another_peer(api: Api) -> None:
    """Else a lock-out would be for whoever the guesser names."""
    for number in range(3):
        async with api.client(headers={PEER: f"wrong 192.0.2.{number}"}) as client:
            assert (await client.post("/api/auth/login", json={"password": "guess"})).status_code == 401
    async with api.client(headers={PEER: "192.0.2.77"}) as client:
        assert (await client.post("/api/auth/login", json={"password": "guess"})).status_code == 429


# an owner is never locked out


async def test_the_admin_token_logs_in_and_manages_from_a_locked_address(start: StartApi) -> None:
    now = [1_800_000_000.0]
    api = await start(wall=lambda: now[0])
    async with api.client() as client:
        for _ in range(12):
            await client.post("/api/auth/login", json={"password": "guess"})
            now[0] += 31
        now[0] -= 31
        assert (await client.post("/api/auth/login", json={"password": WORDS})).status_code == 429
        headers = {"authorization": f"Bearer {api.token}"}
        assert (await client.get("/api/keys", headers=headers)).status_code == 200
        assert (await client.post("/api/auth/login", json={"password": api.token + "x"})).status_code == 429
        assert (await client.post("/api/auth/login", json={"password": api.token})).status_code == 200
        assert (await client.get("/api/keys")).status_code == 200
        assert api.runtime.gate.lockouts.locked(now[0]), "the token clears nothing that others have done"


async def test_a_browser_that_has_logged_in_before_is_counted_alone(start: StartApi) -> None:
    """All who come through one proxy share its address."""
    now = [1_800_000_000.0]
    api = await start(wall=lambda: now[0])
    async with await api.logged_in(peer=ELSEWHERE) as owner, api.client(peer=ELSEWHERE) as guesser:
        for _ in range(5):
            await guesser.post("/api/auth/login", json={"password": "guess"})
        assert (await guesser.post("/api/auth/login", json={"password": WORDS})).status_code == 429
        await owner.post("/api/auth/logout")
        assert (await owner.post("/api/auth/login", json={"password": WORDS})).status_code == 200
        statuses = [(await owner.post("/api/auth/login", json={"password": "guess"})).status_code for _ in range(5)]
        assert statuses == [401] * 3 + [429] * 2, "its own wrong passwords slow it as they slow an address"
        assert len(api.runtime.gate.lockouts.locked(now[0])) == 2


async def test_a_made_up_browser_cookie_counts_for_the_address(api: Api) -> None:
    name = browser_cookie_name(api.store)
    for number in range(3):
        async with api.client(peer=ELSEWHERE, headers={"cookie": f"{name}=made-up-{number}.{'0' * 64}"}) as client:
            assert (await client.post("/api/auth/login", json={"password": "guess"})).status_code == 401
    async with api.client(peer=ELSEWHERE) as client:
        assert (await client.post("/api/auth/login", json={"password": WORDS})).status_code == 429
