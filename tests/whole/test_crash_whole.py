"""A real gateway that is killed under load, and one whose disk is full."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from harness import Gateway, Upstream, until

from omniroute.config.model import Limit
from omniroute.store.config import limits, nodes, settings
from omniroute.store.db.database import Store
from omniroute.store.db.recovery import recover
from omniroute.store.history import usage
from omniroute.store.state import password, sessions

RPM, CLIENTS, KILLS = 40, 4, 3
PASSWORD = "correct-horse-battery"
BODY = {"model": "few/m", "messages": [{"role": "user", "content": "hello"}]}


def ask(gateway: Gateway) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=BODY, timeout=60, trust_env=False)


def load(gateway: Gateway, answers: int) -> int:
    """Have several clients ask at once, kill the gateway in the middle, and return how many were answered."""
    lock, enough, answered = threading.Lock(), threading.Event(), [0]

    def client() -> None:
        try:
            while True:
                status = ask(gateway).status_code
                with lock:
                    answered[0] += status == 200
                    if answered[0] >= answers or status != 200:
                        enough.set()
        except httpx.HTTPError:
            enough.set()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    gateway.kill()
    for thread in threads:
        thread.join(60)
    return answered[0]


def test_a_limit_holds_and_the_database_is_whole_after_kills_under_load(
    gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    """What was sent right before a kill counts: in the minute that this takes no more than are allowed are sent."""

    def setup(store: Store) -> None:
        nodes.add(store, "few", "openai", f"{upstream.base('ok')}/kills/v1")
        limits.put(store, "node:few", Limit(rpm=RPM))
        settings.put(store, "queue.size", "0")

    running = gateway(setup=setup)
    answered = 0
    for _ in range(KILLS):
        answered += load(running, 8)
        running = gateway()
        recover(running.store)
        running.store.verify()
    while (reply := ask(running)).status_code == 200:
        answered += 1
    assert reply.json()["error"]["code"] == "limit_reached"
    times = [one.at for one in upstream.asked() if "/kills/v1" in one.path]
    assert all(sum(at <= other < at + 60 for other in times) <= RPM for at in times)
    assert len(times) >= answered
    known = [row for row in usage.recent(running.store, 1000) if row.status == 200]
    assert len(known) > RPM - KILLS * (CLIENTS + 8), "only what ended right before a kill may be missing"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "data"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("NOT TESTED: a real full disk needs root and the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_reported_and_the_gateway_goes_on(small_disk: Path, upstream: Upstream, tmp_path: Path) -> None:
    def setup(store: Store) -> None:
        nodes.add(store, "few", "openai", f"{upstream.base('ok')}/full/v1")
        password.put(store, PASSWORD)
        sessions.token(store)

    with Gateway.start(tmp_path, setup=setup) as running:
        token = sessions.token(running.store)
        admin = httpx.Client(base_url=running.url, headers={"authorization": f"Bearer {token}"}, trust_env=False)
        with admin:
            assert admin.get("/readyz").json()["status"] == "ok"
            ballast = small_disk / "ballast"
            with ballast.open("wb") as file:
                while shutil.disk_usage(small_disk).free:
                    file.write(b"x" * 4096)
                    file.flush()
            asked = 0

            def degraded() -> bool:
                nonlocal asked
                assert ask(running).status_code == 200
                asked += 1
                return bool(admin.get("/readyz").json()["status"] == "degraded")

            until("the full disk is noticed", degraded)
            for _ in range(20):
                assert ask(running).status_code == 200, "requests are served all the same"
            asked += 20
            ready, health = admin.get("/readyz"), admin.get("/api/monitoring/health").json()
            reason = f"the disk with '{small_disk}' is full: free some space"
            assert (ready.status_code, ready.json()["reasons"]) == (
                200,
                ["the disk with the data directory is full: free some space"],
            )
            assert health["status"] == "degraded"
            assert health["storage"]["reason"] == reason
            assert health["storage"]["waiting"] >= 20
            assert health["storage"]["dropped"] == 0
            assert "omniroute_store_failing 1\n" in admin.get("/metrics").text
            assert admin.get("/healthz").json() == {"status": "ok"}
            refused = admin.post("/api/auth/login", json={"password": PASSWORD})
            assert refused.status_code == 503
            assert "is full: free some space" in refused.json()["error"]["message"]
            assert "no transaction is active" not in refused.text
            ballast.unlink()
            until("writes work again", lambda: admin.get("/readyz").json()["status"] == "ok")
            until("all that waited is written", lambda: len(usage.recent(running.store, 10_000)) == asked)
            assert admin.post("/api/auth/login", json={"password": PASSWORD}).status_code == 200
            assert admin.get("/api/monitoring/health").json()["storage"]["waiting"] == 0
