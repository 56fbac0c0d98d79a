"""One client request and the attempts to have it answered.

The client's half is mitmproxy's own up to the whole body; then the `request` hook decides the first
attempt. From every state before the first content: failed ─► `next_attempt` hook ─► the next attempt,
or the final answer.

An attempt that is late may get another one beside it: what says something first is the answer, and the other is
given up. Where one of the two fails, the other goes on alone.

After content there is a next attempt only where the desk resumes broken streams. It goes on with the same answer, and
whatever fails further ends that as if nobody had tried.

However often an upstream fails, the client gets exactly one answer.
"""

import time
from typing import TYPE_CHECKING

from mitmproxy import flow, http
from mitmproxy.connection import Connection
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnectionCompleted, SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestProtocolError,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpResponseHook,
)

from omniroute.dialects.hub import Stream
from omniroute.errors import GatewayError
from omniroute.mitm.attempt_runner import AttemptRunner
from omniroute.mitm.client_upload import ClientUpload
from omniroute.mitm.commands import Crashed, DeadlineReached, WaiterNotified, fault_of
from omniroute.mitm.http1_server import StreamFailed
from omniroute.mitm.ports import HedgeHook, NextAttemptHook
from omniroute.mitm.upstream_reply import UpstreamReply
from omniroute.routing.failures import Failure

if TYPE_CHECKING:
    from omniroute.mitm.layer import RoutedLayer


class RoutedStream(ClientUpload):
    """mitmproxy's stream, with the part between request and response replaced."""

    def __init__(self, context: Context, stream_id: int, parent: "RoutedLayer") -> None:
        super().__init__(context, stream_id, parent)
        self._runners: list[AttemptRunner] = []
        """The attempts under way."""
        self._deadline: float | None = None
        """When to go on that waits for nobody's answer; on the desk's clock."""
        self._hedge_at: float | None = None
        """When another target is to be asked beside the one that is; on the same clock."""
        self._again = False
        self._broken: tuple[Stream, Failure] | None = None
        """The stream that the client has the beginning of, and why it has no more of it."""

    # events

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, GetHttpConnectionCompleted):
            for runner in self._runners:
                if event.command is runner.dial:
                    yield from runner.connected(*event.reply)
                    return
        elif isinstance(event, DeadlineReached | Crashed):
            yield from self._crash() if isinstance(event, Crashed) else self._on_time(self.parent.desk.clock())
        elif isinstance(event, WaiterNotified):
            if self.is_waiting_for(event.flow) and not (yield from self.check_killed(True)) and self._waits_for_turn:
                yield from self._decide()
        elif not isinstance(event, HttpEvent) or event.stream_id == self.stream_id:
            yield from super()._handle_event(event)
        else:
            for runner in self._runners:
                if event.stream_id == runner.id:
                    yield from runner.handle_event(event)
                    return
            # Else a word of an attempt that was given up while a hook ran.

    def _on_time(self, now: float) -> layer.CommandGenerator[None]:
        """Do the first thing that is due; for the others the layer comes again."""
        if self._upload_due is not None and self._upload_due <= now:
            yield from self._upload_late(now)
        elif self.deadline_at is not None and self.deadline_at <= now:
            yield from self._on_timeout(now)
        elif self._hedge_at is not None and self._hedge_at <= now:
            yield from self._hedge()
        elif self._speak_at is not None and self._speak_at <= now:
            yield from self._send_keepalive()
        elif self._beat_at is not None and self._beat_at <= now:
            yield from self._send_progress()

    @property
    def deadline_at(self) -> float | None:
        """When what is waited for now is too late, by its own deadline or by that of all attempts together."""
        soonest = self._deadline
        for runner in self._runners:
            if (at := runner.deadline_at) is not None and (soonest is None or at < soonest):
                soonest = at
        return soonest

    @property
    def due(self) -> float | None:
        """When the layer is to say `Late`."""
        due = super().due
        for at in (self._hedge_at, self._upload_due):
            if at is not None and (due is None or at < due):
                due = at
        return due

    @property
    def single_attempt(self) -> bool:
        """Whether an attempt has no other beside it."""
        return len(self._runners) < 2

    @property
    def _waits_for_turn(self) -> bool:
        return self._deadline is not None and self.client_state != self.state_refused

    def attempt_on(self, connection: Connection) -> AttemptRunner | None:
        """Give the attempt in flight that goes over this connection."""
        return next((runner for runner in self._runners if runner.id and runner.server is connection), None)

    def is_waiting_for(self, flow: http.HTTPFlow) -> bool:
        """Tell whether this is the stream of a flow, and waits for something that somebody else may end."""
        return self.deadline_at is not None and self.flow is flow

    def _arm(self, seconds: float) -> layer.CommandGenerator[None]:
        self._deadline = self.parent.desk.clock() + seconds
        yield from self.arm_timer()

    def arm_timer(self) -> layer.CommandGenerator[None]:
        """See to it that the layer says `Late` when something is due."""
        if (due := self.due) is not None:
            yield from self.parent.alarm(self, due)

    # the request

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """Start the first attempt. mitmproxy has nothing more to do with the request after this."""
        self._begin_waiting()
        yield from self._open()
        return False

    # attempts

    def _open(self) -> layer.CommandGenerator[None]:
        wait = self.parent.desk.wait(self.flow)
        if wait is not None:
            self.server_state = self.state_attempting
            yield from self._arm(wait)
            return
        attempt = self.parent.desk.attempt(self.flow)
        if attempt is None or attempt.started:
            error = GatewayError("the gateway did not decide where this request goes; its log says why")
            self.flow.response = self.parent.desk.answer(self.flow, error)
            yield from self.answer()
            return
        self.server_state = self.state_attempting
        if attempt.hedge_after is not None:
            self._hedge_at = self.parent.desk.clock() + attempt.hedge_after
        runner = AttemptRunner(self, attempt)
        self._runners.append(runner)
        yield from runner.start(fresh=self._again)

    def _hedge(self) -> layer.CommandGenerator[None]:
        """Ask another target beside the one that is late, if there is one that can be asked."""
        self._hedge_at = None
        yield HedgeHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        if attempt := self.parent.desk.hedge(self.flow):
            runner = AttemptRunner(self, attempt)
            busy = any(runner.same_origin(other) for other in self._runners)
            self._runners.append(runner)
            yield from runner.start(fresh=busy)

    def select_winner(self, winner: UpstreamReply) -> layer.CommandGenerator[None]:
        """Let the other attempt go: this one has said something first."""
        self._hedge_at = None
        if self.single_attempt:
            return
        for runner in [runner for runner in self._runners if runner is not winner]:
            runner.attempt.failure = Failure("hedged", "another target has answered first")
            yield from self._drop_attempt(winner, runner)

    def _drop_attempt(self, goes_on: UpstreamReply, ends: AttemptRunner) -> layer.CommandGenerator[None]:
        """End one of two attempts."""
        self._runners.remove(ends)
        yield from ends.give_up()
        self.parent.desk.hedge_lost(self.flow, ends.attempt)
        self.flow.request = goes_on.attempt.request or self.flow.request
        self.show_server(goes_on)

    def show_server(self, runner: UpstreamReply) -> None:
        """Have the flow name the server of an attempt."""
        if runner.server:
            self.context.server = self.flow.server_conn = runner.server

    def state_attempting(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Upstreams speak to the attempts."""
        yield from ()

    def _on_timeout(self, now: float) -> layer.CommandGenerator[None]:
        if self._deadline is not None and self._deadline <= now:
            if self._waits_for_turn:
                yield from self._decide()
                return
            yield from self._cut_upload()
            return
        for runner in [*self._runners]:
            if runner.deadline_at is not None and runner.deadline_at <= now:
                yield from runner.on_timeout(now)

    def _response_complete(self) -> bool:
        return any(runner.state == runner.streaming and runner.is_whole() for runner in self._runners)

    def failed(self, runner: AttemptRunner, failure: Failure) -> layer.CommandGenerator[None]:
        """End an attempt. Before content another may follow, after it the client is told in its own words."""
        if runner not in self._runners:
            return  # a hook has ended the flow meanwhile
        attempt = runner.attempt
        failure = attempt.failure = attempt.redact(failure)
        if not self.single_attempt:
            yield from self._drop_attempt(next(each for each in self._runners if each is not runner), runner)
            return
        self._hedge_at = None
        self._runners.remove(runner)
        yield from runner.give_up()
        if runner.state == runner.streaming:
            assert attempt.stream
            self._broken = attempt.stream, failure
            if not self.parent.desk.may_resume(self.flow):
                yield from self.answer()
                return
        self._again = failure.stale
        yield from self._decide()

    def answer(self) -> layer.CommandGenerator[None]:
        """Give the answer; where one has broken off, and nobody goes on with it, its end."""
        if self._broken is None:
            yield from super().answer()
            return
        stream, failure = self._broken
        self.flow.response = self._head
        yield from self.send(stream.fail(fault_of(failure)))
        yield from self.finish()

    def finish(self) -> layer.CommandGenerator[None]:
        """End a streamed answer."""
        self._runners.clear()
        yield from super().finish()

    def _decide(self) -> layer.CommandGenerator[None]:
        """Have it said who is asked next."""
        self._deadline = None
        self.flow.response = None  # whatever the hook puts there is the answer; a head that is out is none
        yield NextAttemptHook(self.flow)
        answer, self.flow.response = self.flow.response, self.flow.response or self._head
        if (yield from self.check_killed(True)):
            return
        if answer:
            yield from self.answer()
        else:
            yield from self._open()

    def _give_up(self) -> layer.CommandGenerator[None]:
        """Let go of the upstreams at once, whatever they are still saying."""
        self._deadline = self._hedge_at = None
        while self._runners:
            yield from self._runners.pop().give_up()

    # the client

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestProtocolError):
            yield from self._client_gone(event)

    def _client_gone(self, event: RequestProtocolError) -> layer.CommandGenerator[None]:
        # SDKs close the connection at the end mark, while the upstream has yet to end its body.
        told = self.server_state != self.state_done and self._response_complete()
        if self.server_state != self.state_done and not told:
            for runner in self._runners:
                runner.attempt.failure = Failure("client_gone", "the client left")
        yield from self._give_up()
        if told:
            assert self.flow.response
            self.flow.response.data.content = bytes(self.response_body_buf)
            self.flow.response.timestamp_end = time.time()
            yield HttpResponseHook(self.flow)
        elif self.server_state not in (self.state_done, self.state_errored):
            self.flow.error = flow.Error(event.message)
            yield HttpErrorHook(self.flow)
        yield from self._done()

    def _crash(self) -> layer.CommandGenerator[None]:
        """End after an exception of the gateway: with an error in the client's dialect, or a broken-off answer."""
        ended = self.server_state in (self.state_done, self.state_errored)
        self.client_state = self.server_state = self.state_errored
        error = GatewayError("the gateway failed; its log says why")
        response = self.parent.desk.answer(self.flow, error)
        if not ended:
            self.flow.error = flow.Error(error.message)
            yield HttpErrorHook(self.flow)
        yield SendHttp(StreamFailed(self.stream_id, response), self.context.client)
        yield from self._give_up()
        yield from self._done()

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        """Look whether the client or a person has ended the flow while a hook ran; then nothing of it stays."""
        killed = yield from super().check_killed(emit_error_hook)
        if killed:
            yield from self._give_up()
            yield from self._done()
        return killed

    @property
    def ended(self) -> bool:
        """Whether neither side has anything more to say."""
        over = (self.state_done, self.state_errored)
        return self.client_state in over and self.server_state in over

    def forget(self) -> None:
        """Let go of the flow: stream, layers and context refer to each other, and would keep its bodies for long."""
        self._runners.clear()
        self._broken = self._head = None
        if flow := self.__dict__.pop("flow", None):
            self.parent.desk.over(flow)

    def _done(self) -> layer.CommandGenerator[None]:
        self._deadline = self._hedge_at = None
        self._end_upload()
        self._stop_timers()
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield DropStream(self.stream_id)
