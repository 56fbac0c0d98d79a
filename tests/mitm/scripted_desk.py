"""Who decides, in these tests: a list of targets for each request, taken in their order."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from mitmproxy import http
from mitmproxy.proxy import commands

from omniroute.addons.response_headers import early_head, error_event, refusal
from omniroute.catalog.provider import DialectName
from omniroute.config.deadlines import Deadlines
from omniroute.config.server_limits import ServerLimits
from omniroute.dialects import hub
from omniroute.dialects.registry import DIALECTS
from omniroute.errors import Exhausted, GatewayError, TooLarge
from omniroute.mitm.commands import copy_head
from omniroute.mitm.ports import Attempt, Keepalive, ProgressTick
from omniroute.routing.endpoints import dialect_of

LIMITS = Deadlines(connect=10, first_byte=20, first_content=50, idle=30)
SECRET = "upstream-secret"


@dataclass(slots=True)
class Told:
    """What was decided for one request."""

    flow: http.HTTPFlow
    attempts: list[Attempt] = field(default_factory=list)
    at: int = 0
    waits: bool = False
    """Nobody is asked before its pause is over, or its turn has come."""
    waited: bool = False
    broken: hub.Stream | None = None
    """What is to be gone on with."""
    hosts: list[str] = field(default_factory=list)
    """Who was asked in each attempt."""
    hedge: Attempt | None = None
    lost: list[Attempt] = field(default_factory=list)
    """Those that ended while another went on."""

    @property
    def last(self) -> Attempt:
        return next(attempt for attempt in reversed(self.attempts) if attempt not in self.lost)

    @property
    def failures(self) -> list[str]:
        return [attempt.failure.label for attempt in self.attempts if attempt.failure]


class ScriptedDesk:
    """The `Desk` of the layer, and the addons whose hooks it fires."""

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        stream: bool,
        dialect: DialectName = "openai",
        tls: bool = False,
        every: float | None = None,
    ) -> None:
        """Take where to ask; `every` so many seconds of silence a stream's client is told to wait."""
        self.hosts, self.stream, self.dialect, self.tls, self.every = hosts, stream, dialect, tls, every
        self.max_body = 1000
        self.server_limits = ServerLimits()
        self.protocol_errors = Counter[str]()
        self.ended: list[str] = []
        self.counted: list[int] = []
        """Bytes that had arrived at each check."""
        self.pause = 0.0
        """Seconds before each attempt but the first."""
        self.until: float | None = None
        """When the whole request is too late."""
        self.beats: ProgressTick | None = None
        self.resume = False
        """Whether somebody else goes on with a stream that has broken off."""
        self.hedge_after: float | None = None
        """Seconds after which the next host is asked, too."""
        self.turns = False
        """Whether the first attempt waits for as long too, as in a queue."""
        self.clock: Callable[[], float] = lambda: 0.0
        self.told: list[Told] = []
        self.undecided: set[str] = set()
        """Hooks that decide nothing."""
        self.other: Callable[[commands.StartHook], None] = lambda hook: None

    def check_body(self, flow: http.HTTPFlow, received: int, size: int) -> GatewayError | None:
        self.counted.append(received)
        return TooLarge(f"the limit is {self.max_body} bytes") if size > self.max_body else None

    def over(self, flow: http.HTTPFlow) -> None:
        self.ended.append(flow.id)

    def relay(self, request: http.Request) -> None:
        """Nothing here is about the gateway itself."""

    def wait(self, flow: http.HTTPFlow) -> float | None:
        told = self._of(flow)
        return self.pause if told and told.waits else None

    def attempt(self, flow: http.HTTPFlow) -> Attempt | None:
        told = self._of(flow)
        return told.last if told and told.attempts else None

    def keepalive(self, flow: http.HTTPFlow) -> Keepalive | None:
        return Keepalive(self.every, DIALECTS[self.dialect].keepalive) if self.stream and self.every else None

    def progress_tick(self, flow: http.HTTPFlow) -> ProgressTick | None:
        return self.beats

    def may_resume(self, flow: http.HTTPFlow) -> bool:
        told = self._of(flow)
        stream = told.last.stream if told and told.attempts else None
        if not self.resume or stream is None or stream.said is None:
            return False
        assert told
        told.broken = stream
        return True

    def hedge(self, flow: http.HTTPFlow) -> Attempt | None:
        told = self._of(flow)
        return told.hedge if told and told.hedge and not told.hedge.started else None

    def hedge_lost(self, flow: http.HTTPFlow, attempt: Attempt) -> None:
        told = self._of(flow)
        assert told
        assert attempt.failure
        assert attempt.ended is not None
        told.lost.append(attempt)
        told.last.last = told.at + 1 >= len(self.hosts)

    def early_head(self, flow: http.HTTPFlow) -> http.Response:
        return early_head(flow.request, 0.0)

    def final_event(self, flow: http.HTTPFlow, answer: http.Response) -> bytes:
        return error_event(self.dialect, answer)

    def try_apply_headers(self, flow: http.HTTPFlow) -> bool:
        return False  # the hook does it

    def answer(self, flow: http.HTTPFlow, error: GatewayError) -> http.Response:
        body = json.dumps(DIALECTS[self.dialect].write_error(error)).encode()
        return http.Response.make(error.status, body, {"content-type": "application/json"})

    def refusal(self, path: str, error: GatewayError) -> http.Response:
        return refusal(dialect_of(path), error)

    def count_protocol_error(self, reason: str, peer: str) -> None:
        self.protocol_errors[reason] += 1

    def hook(self, hook: commands.StartHook) -> None:
        flow: Any = hook.args()[0]
        if hook.name in self.undecided:
            return
        match hook.name:
            case "request":
                self.told.append(Told(flow))
                self._ask(self.told[-1])
            case "next_attempt":
                told = self._of(flow)
                assert told
                if told.waits:
                    told.waits, told.waited = False, True
                else:
                    failure = told.last.failure
                    assert failure
                    told.at += not failure.stale
                self._ask(told)
            case "responseheaders":
                self._head(flow)
            case "hedge":
                self._hedge(flow)
            case "read_reply":
                told = self._of(flow)
                assert told
                attempt = next(attempt for attempt in told.attempts if attempt.undecoded)
                attempt.whole = attempt.read_whole(bytes(attempt.raw))
            case _:
                self.other(hook)

    def _of(self, flow: http.HTTPFlow) -> Told | None:
        return next((told for told in reversed(self.told) if told.flow is flow), None)

    def _ask(self, told: Told) -> None:
        if told.at >= len(self.hosts):
            told.flow.response = self.answer(told.flow, Exhausted("every target failed"))
            return
        if self.pause and (told.attempts or self.turns) and not told.waited:
            told.waits = True
            return
        told.waited = False
        told.attempts.append(self._attempt(told, told.flow.request))

    def _hedge(self, flow: http.HTTPFlow) -> None:
        told = self._of(flow)
        assert told
        if told.hedge or told.at + 1 >= len(self.hosts):
            return
        told.at += 1
        request = copy_head(flow.request)
        request.data.content = flow.request.raw_content
        told.hedge = self._attempt(told, request)
        told.hedge.request = request
        told.attempts.append(told.hedge)

    def _attempt(self, told: Told, request: http.Request) -> Attempt:
        names = (self.dialect, self.dialect)
        made = Attempt(
            credential={"authorization": f"Bearer {SECRET}"},
            deadlines=LIMITS if self.until is None else replace(LIMITS, total=5.0),
            stream=hub.Stream(*names, model="m", follows=self.resume, resumes=told.broken) if self.stream else None,
            read_whole=partial(hub.read_whole, *names, model="m"),
            last=told.at + 1 == len(self.hosts),
            deadline=self.until,
            hedge_after=None if told.broken else self.hedge_after,
        )
        told.hosts.append(self.hosts[told.at])
        data = request.data
        data.host, data.port = self.hosts[told.at], 443 if self.tls else 80
        data.scheme = b"https" if self.tls else b"http"
        data.authority = b""
        length = str(len(request.raw_content or b""))
        data.headers = http.Headers([(b"host", data.host.encode()), (b"content-length", length.encode())])
        return made

    def _head(self, flow: http.HTTPFlow) -> None:
        """Frame the reply for the client's side of the gateway."""
        told = self._of(flow)
        if flow.response and told and told.attempts and told.last.content_at is not None:
            flow.response.data.http_version = flow.request.data.http_version
            headers = flow.response.headers = http.Headers()
            headers["route"] = flow.request.host
            if not self.stream:
                headers["content-length"] = str(len(flow.response.raw_content or b""))
            elif flow.request.http_version == "HTTP/1.1":
                headers["transfer-encoding"] = "chunked"
