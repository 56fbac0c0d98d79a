"""Answers `HEAD /api/hello` and the model lists, each in the shape of the SDK that asks."""

import asyncio
from typing import Any

from mitmproxy import http

from omniroute.access.model_allowlist import allowed
from omniroute.addons.guard import guard
from omniroute.addons.response_headers import json_answer
from omniroute.catalog.provider import DialectName
from omniroute.errors import NotFound
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.routing.model_list import ListedModel, list_models


class Models:
    name = "omniroute.listing"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer what is no inference."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or exchange.claimed is None:
            return
        match exchange.claimed.kind:
            case "hello":
                flow.response = http.Response.make(200, b"", {"content-type": "text/plain"})
            case "models":
                models = await self._models(exchange)
                flow.response = json_answer(200, _all(exchange.dialect, models))
            case "model":
                models = await self._models(exchange)
                wanted = (exchange.claimed.model or "").removeprefix("models/")
                found = next((model for model in models if model.id == wanted), None)
                if found is None:
                    raise NotFound(f"there is no model {wanted[:200]!r} here; GET /v1/models lists them")
                flow.response = json_answer(200, _one(exchange.dialect, found))
            case _:
                pass

    async def _models(self, exchange: Exchange) -> list[ListedModel]:
        models = await asyncio.to_thread(list_models, exchange.config)
        allow = exchange.key.allow if exchange.key else ()
        return [model for model in models if not allow or allowed(allow, model.id)]


def _one(dialect: DialectName, model: ListedModel) -> dict[str, Any]:
    match dialect:
        case "claude":
            return {
                "type": "model",
                "id": model.id,
                "display_name": model.id,
                "created_at": "1970-01-01T00:00:00Z",
                "max_input_tokens": model.context,
                "max_tokens": model.max_output,
            }
        case "gemini":
            known = {"inputTokenLimit": model.context, "outputTokenLimit": model.max_output}
            return {
                "name": f"models/{model.id}",
                "displayName": model.id,
                "supportedGenerationMethods": ["generateContent"],
                **{name: value for name, value in known.items() if value is not None},
            }
        case _:
            facts = {"context_length": model.context, "max_output_tokens": model.max_output}
            return {
                "id": model.id,
                "object": "model",
                "created": 0,
                "owned_by": model.owner,
                **{name: value for name, value in facts.items() if value is not None},
            }


def _all(dialect: DialectName, models: list[ListedModel]) -> dict[str, Any]:
    data = [_one(dialect, model) for model in models]
    match dialect:
        case "claude":
            ends = (
                {"first_id": models[0].id, "last_id": models[-1].id} if models else {"first_id": None, "last_id": None}
            )
            return {"data": data, "has_more": False, **ends}
        case "gemini":
            return {"models": data}
        case _:
            return {"object": "list", "data": data}
