"""The fixtures themselves: a real gateway starts, serves, stops, and its alarms are heard."""

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from harness import Gateway, Upstream, alarms, mitmproxy_command
from scripted import replies

from omniroute.store.config import nodes, snapshot
from omniroute.store.db.database import Store

CHAT = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("tool", ["mitmdump", "mitmweb"])
def test_a_gateway_serves_from_a_real_process(gateway: Callable[..., Gateway], upstream: Upstream, tool: str) -> None:
    def setup(store: Store) -> None:
        nodes.add(store, "up", "openai", upstream.base("ok"))

    running = gateway(tool=tool, setup=setup)
    reply = httpx.post(f"{running.url}/v1/chat/completions", json=CHAT, trust_env=False)
    assert reply.json()["choices"][0]["message"]["content"] == replies.text("m")
    assert upstream.asked()[0].json["model"] == "m"
    assert [node.prefix for node in snapshot.load(running.store).nodes] == ["up"]
    assert ("token=" in running.web_url) if tool == "mitmweb" else (running.runtime["web_url"] is None)
    running.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(running.process.pid, 0)


def test_a_traceback_in_the_log_is_an_alarm(tmp_path: Path) -> None:
    script = tmp_path / "breaks.py"
    script.write_text("def running():\n    raise RuntimeError('on purpose')\n", encoding="utf-8")
    command = [*mitmproxy_command("mitmdump", tmp_path, {}), "-s", str(script)]
    with pytest.raises(AssertionError, match="on purpose"), Gateway.start(tmp_path, command=command):
        pass


def test_a_gateway_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="omniroute_max_body"),
        Gateway.start(tmp_path, options={"omniroute_max_body": "0"}),
    ):
        pass


AT_THE_STOP = """\
Exception in callback StreamReaderProtocol.connection_made.<locals>.callback(<Task cancell...rvers.py:185>>) at \
/usr/lib/python3.12/asyncio/streams.py:248
handle: <Handle StreamReaderProtocol.connection_made.<locals>.callback(<Task cancell...rvers.py:185>>) at ...:248>
Traceback (most recent call last):
  File "/usr/lib/python3.12/asyncio/events.py", line 84, in _run
    self._context.run(self._callback, *self._args)
  File "/usr/lib/python3.12/asyncio/streams.py", line 249, in callback
    exc = task.exception()
          ^^^^^^^^^^^^^^^^
  File "/usr/lib/python3/site-packages/mitmproxy/proxy/mode_servers.py", line 219, in handle_stream
    await handler.handle_client()
asyncio.exceptions.CancelledError
"""


def test_only_what_python_3_12_1_logs_for_a_cancelled_client_is_no_alarm() -> None:
    assert not alarms(f"before\n{AT_THE_STOP}{AT_THE_STOP}after")
    for other in (
        AT_THE_STOP.replace("asyncio.exceptions.CancelledError", "ValueError: odd"),
        AT_THE_STOP.replace("    exc = task.exception()", "    exc = something()"),
        AT_THE_STOP + AT_THE_STOP.partition("\n")[2].partition("\n")[2],
    ):
        assert alarms(other) == ["Traceback (most recent call last)"]
