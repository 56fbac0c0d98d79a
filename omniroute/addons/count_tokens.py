"""Answers how many tokens a request would be, without asking anybody: clients ask it dozens of times at once."""

import asyncio

from mitmproxy import http

from omniroute.addons.guard import guard
from omniroute.addons.response_headers import PREFIX, json_answer
from omniroute.dialects.token_estimate import estimate_tokens
from omniroute.gateway.runtime import Runtime

QUICK = 64 * 1024
"""Bytes of a body that is counted on the event loop; a larger one goes to a thread."""
TOKEN_FIELDS = (
    "system",
    "messages",
    "tools",
    "contents",
    "systemInstruction",
    "system_instruction",
    "generateContentRequest",
)
"""The fields that a model reads; the others are settings."""


class CountTokens:
    name = "omniroute.count"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer in the dialect of the path. The number is an estimate, and a header says so."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or not exchange.claimed or exchange.claimed.kind != "count":
            return
        said = [exchange.body[name] for name in TOKEN_FIELDS if name in exchange.body]
        said.append(exchange.config.rules.system_prompt)
        counted = (
            await asyncio.to_thread(estimate_tokens, said) if len(exchange.raw_body) > QUICK else estimate_tokens(said)
        )
        name = "totalTokens" if exchange.dialect == "gemini" else "input_tokens"
        flow.response = json_answer(200, {name: counted}, {PREFIX + "estimated": "true"})
