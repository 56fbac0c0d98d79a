"""The management API as a guest in mitmweb's application."""

from typing import Any

import httpx
import pytest
from panel_api import Api
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from omniroute.env import read
from omniroute.panel.app import PanelServer
from omniroute.panel.web_limits import MAX_ANONYMOUS_BODY


class Own(RequestHandler):
    def get(self) -> None:
        self.write("mitmweb's own")

    def post(self) -> None:
        self.set_signed_cookie("session", b"y")
        self.write(str(len(self.request.body)))


def mitmweb(**more: Any) -> Application:
    return Application(
        [(r"/.*", Own)],
        cookie_secret="x",
        log_function=lambda _: None,
        is_valid_password=lambda password: password == "right",
        auth_cookie_name=lambda: "session",
        **more,
    )


async def test_it_comes_and_goes_with_the_script(api: Api) -> None:
    """The script may be loaded anew: what was there before must not answer for a gateway that is gone."""
    app = mitmweb(xsrf_cookies=True)
    before = list(app.default_router.rules)
    server = HTTPServer(app)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    token = {"authorization": f"Bearer {api.token}"}
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, headers=token, trust_env=False, timeout=120) as client:
        for _ in range(2):
            panel = PanelServer(api.runtime, read({}), "x")
            panel.hang_in(app)
            assert (await client.get("/flows")).text == "mitmweb's own"
            assert (await client.get("/api/keys")).json()["keys"] == []
            assert (await client.post("/api/resilience/reset", json={})).status_code == 200
            assert (await client.get("/api/nothing")).status_code == 404
            panel.stop()
            assert app.default_router.rules == before
        assert (await client.get("/api/keys")).text == "mitmweb's own"
    server.stop()


@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_without_a_session_are_bounded(api: Api, chunked: bool) -> None:
    app = mitmweb()
    server = HTTPServer(app)
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(listening)
    panel = PanelServer(api.runtime, read({}), "x")
    panel.hang_in(app)

    def body(size: int) -> Any:
        async def pieces() -> Any:
            yield b"x" * size

        return pieces() if chunked else b"x" * size

    url = f"http://127.0.0.1:{listening.getsockname()[1]}/flows/dump"
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        cookies = (await client.post(url, content=body(MAX_ANONYMOUS_BODY))).headers["set-cookie"]
        for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "session=forged"}):
            client.cookies.clear()
            try:
                status = (await client.post(url, content=body(MAX_ANONYMOUS_BODY + 1), headers=headers)).status_code
            except httpx.TransportError:
                status = 400  # closed before all of the body was sent
            assert status == 400
        for headers in ({"authorization": "Bearer right"}, {"cookie": cookies.partition(";")[0]}):
            reply = await client.post(url, content=body(MAX_ANONYMOUS_BODY + 1), headers=headers)
            assert reply.text == str(MAX_ANONYMOUS_BODY + 1)
    panel.stop()
    server.stop()
