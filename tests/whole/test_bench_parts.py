"""The benchmark's own clients and stub: a number is worth nothing when its reply was not read to the end."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from harness import REPO

BENCHMARKS = REPO / "scripts/benchmarks"


@pytest.fixture(scope="module")
def stub() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, str(BENCHMARKS / "stub.py")], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout:
        yield int(process.stdout.readline())
    process.terminate()
    process.wait(10)


def load(port: int, model: str, **more: object) -> dict[str, object]:
    body = json.dumps({"model": model, "messages": []})
    job = {"port": port, "path": "/v1/x", "body": body, "clients": 4, "requests": 20, "seconds": 10, **more}
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "load.py")], input=json.dumps(job), capture_output=True, text=True, check=True
    )
    outcome: dict[str, object] = json.loads(done.stdout)
    return outcome


@pytest.mark.parametrize(("model", "events"), [("m", 1), ("up/30-0", 30), ("3-10", 3)])
def test_every_reply_is_read_whole(stub: int, model: str, events: int) -> None:
    outcome = load(stub, model)
    assert outcome["errors"] == []
    assert (len(outcome["latency"]), len(outcome["first"]), outcome["events"]) == (20, 20, 20 * events)


def test_pacing_is_the_upstreams(stub: int) -> None:
    outcome = load(stub, "5-20", requests=4)
    assert min(outcome["latency"]) >= 100
    assert max(outcome["first"]) < min(outcome["latency"])


def test_no_request_begins_after_the_time(stub: int) -> None:
    assert load(stub, "m", requests=10_000_000, seconds=0.2)["seconds"] < 5


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: 0.20\r\n\r\n"], False),
        ([b"HTTP/1.1 200 OK\r\n", b"transfer-encoding: chunked\r\n\r\n4\r\ntick\r\n0\r\n", b"\r\n"], True),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntic"], False),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"tick"], True),
    ],
)
async def test_the_end_of_a_reply_is_seen(pieces: list[bytes], whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import load as module

    class Quiet(module.asyncio.Transport):
        def write(self, data: bytes) -> None: ...
        def close(self) -> None: ...

    outcome = module.Outcome()
    client = module.Client(module.Job(1, "/", "{}", 1, 1, 9), outcome, [1], float("inf"))
    client.connection_made(Quiet())
    for piece in pieces:
        client.data_received(piece)
    assert (len(outcome.latency) == 1) is whole
    assert outcome.errors == []


def test_the_big_request_is_as_big_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import processes
    import scenarios

    job = scenarios.BIG.job(processes.Target("x", 1, "up/", 0), 1.0)
    body = json.loads(job.body)
    assert (len(body["messages"]), len(body["tools"])) == (60, 40)
    assert 280_000 < len(job.body) < 340_000


def test_translation_is_measured_on_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import translation

    assert (len(translation.agent().messages), len(translation.agent().tools)) == (60, 40)
    for dialect, spoke in translation.CODECS.items():
        assert 280_000 < len(json.dumps(spoke.write_request(translation.agent()).body)) < 340_000
        assert 280_000 < len(json.dumps(spoke.write_reply(translation.long_reply(), model="m"))) < 340_000
        for kind in ("text", "reasoning"):
            assert 50 <= len(translation.stream(dialect, kind, 50)) < 60
        translation.feed("openai", dialect, translation.line(dialect, 5000))()
    monkeypatch.setattr(translation, "SHORT", 20)
    monkeypatch.setattr(translation, "LONG", 50)
    monkeypatch.setattr(translation, "MEGABYTE", 2000)
    found = dict(translation.measure(quick=True))
    assert len(found) == 12
    columns = set(translation.COLUMNS)
    assert all(columns - set(note) == ({"arguments"} if "→ gemini" in pair else set()) for pair, note in found.items())


def test_planning_is_measured_on_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import planning

    found = planning.measure(quick=True)
    assert list(found) == ["20 targets", "50 accounts"]
    assert all(len(each) == 12 and min(each.values()) > 0 for each in found.values())


def test_it_says_what_it_measures() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "bench.py"), "--help"], capture_output=True, text=True, check=True
    )
    assert "first content" in done.stdout
