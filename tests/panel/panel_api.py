"""The management API in this process, on a port of its own, as the proxy port would reach it."""

from collections.abc import Callable
from typing import Any

import httpx

from omniroute.gateway.runtime import Runtime
from omniroute.mitm.management_relay import PEER, Relay
from omniroute.store.history.usage import AttemptRow, UsageRow
from omniroute.store.state import sessions

WORDS = "correct horse battery"


class Api:
    """A running panel with ways to ask it."""

    def __init__(self, runtime: Runtime, relay: Relay) -> None:
        assert runtime.store
        self.runtime, self.relay, self.store = runtime, relay, runtime.store
        self.url = f"http://127.0.0.1:{relay.port}"
        self.token = sessions.token(self.store)

    def client(self, *, peer: str | None = None, token: bool = False, **how: Any) -> httpx.AsyncClient:
        headers = how.pop("headers", {})
        if token:
            headers |= {"authorization": f"Bearer {self.token}"}
        if peer:
            headers |= {PEER: self.relay.log_line(peer)}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=120, **how)

    async def logged_in(self, **how: Any) -> httpx.AsyncClient:
        async with self.client(**how) as client:
            (await client.post("/api/auth/login", json={"password": WORDS})).raise_for_status()
        return self.client(cookies=client.cookies, **how)


def row(**more: Any) -> UsageRow:
    """Write down an exchange."""
    return UsageRow(**({
        "id": "1", "at": 1.0, "key_id": None, "key_name": None, "account_id": "a", "account_name": "n",
        "provider": "openai", "model_asked": "m", "model_served": "m", "combo": None, "client_dialect": "openai",
        "upstream_dialect": "openai", "path": "/v1", "streamed": False, "status": 200, "error": None, "input": 10,
        "output": 5, "cache_read": None, "cache_write": None, "reasoning": None, "cost": 0.25,
        "attempts": (AttemptRow("openai/m", "n", "ok", 200, 1.0, ""),), "latency_ms": 120.0, "ttft_ms": 40.0,
        "overhead_ms": 1.0, "dropped": (),
    } | more))  # fmt: skip


type StartApi = Callable[..., Any]
