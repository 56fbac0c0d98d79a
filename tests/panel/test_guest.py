"""The management API as a guest in mitmweb's application."""

import httpx
from panel_api import Api
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from omniroute.panel.app import Panel
from omniroute.settings import read


class Own(RequestHandler):
    def get(self) -> None:
        self.write("mitmweb's own")


async def test_it_comes_and_goes_with_the_script(api: Api) -> None:
    """The script may be loaded anew: what was there before must not answer for a gateway that is gone."""
    app = Application([(r"/.*", Own)], xsrf_cookies=True, cookie_secret="x", log_function=lambda _: None)
    before = list(app.default_router.rules)
    server = HTTPServer(app)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    token = {"authorization": f"Bearer {api.token}"}
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, headers=token, trust_env=False, timeout=20) as client:
        for _ in range(2):
            panel = Panel(api.runtime, read({}), "x")
            panel.hang_in(app)
            assert (await client.get("/flows")).text == "mitmweb's own"
            assert (await client.get("/api/keys")).json()["keys"] == []
            assert (await client.post("/api/resilience/reset", json={})).status_code == 200
            assert (await client.get("/api/nothing")).status_code == 404
            panel.stop()
            assert app.default_router.rules == before
        assert (await client.get("/api/keys")).text == "mitmweb's own"
    server.stop()
