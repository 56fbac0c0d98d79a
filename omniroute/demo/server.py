"""Serves the pretend providers on two free ports of loopback, in the event loop that starts them."""

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from omniroute.demo import claude, openai

HOST = "127.0.0.1"
PAUSE = 0.04
"""Seconds between two words: quick, and still to be seen."""


class Demo:
    def __init__(self, *, pause: float = PAUSE) -> None:
        self._apps = (
            _app(
                (
                    r"/v1/chat/completions",
                    openai.ChatCompletions,
                    {"pause": pause, "turns": openai.AlternatingFailure()},
                ),
                (r"/v1/models", openai.OpenAIModels),
            ),
            _app((r"/v1/messages", claude.ClaudeMessages, {"pause": pause}), (r"/v1/models", claude.ClaudeModels)),
        )
        self._servers: list[HTTPServer] = []
        self.openai_url = self.claude_url = ""
        """Base URLs; empty while it does not run."""

    async def start(self) -> None:
        self.openai_url, self.claude_url = (f"http://{HOST}:{self._serve(app)}/v1" for app in self._apps)

    async def stop(self) -> None:
        """End every connection, the ones in the middle of a reply too."""
        for server in self._servers:
            server.stop()
            await server.close_all_connections()
        self._servers.clear()
        self.openai_url = self.claude_url = ""

    def _serve(self, app: Application) -> int:
        sockets = bind_sockets(0, HOST)
        server = HTTPServer(app)
        server.add_sockets(sockets)
        self._servers.append(server)
        return int(sockets[0].getsockname()[1])


def _app(
    *routes: tuple[str, type[RequestHandler]] | tuple[str, type[RequestHandler], dict[str, object]],
) -> Application:
    # The gateway logs what its upstreams answer; a second line here would only repeat it.
    return Application(list(routes), log_function=lambda _: None)
