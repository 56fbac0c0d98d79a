"""Routes for liveness, readiness, Prometheus metrics and the OpenAPI document."""

from functools import cache
from typing import Any

from pydantic import Field

from omniroute.gateway.readiness import readiness
from omniroute.panel import openapi
from omniroute.panel.prometheus import write
from omniroute.panel.routes import Body, Call, Route, Text, get


class Alive(Body):
    status: str


class Ready(Alive):
    revision: int = Field(description="Of the configuration that requests go by; it grows with every change.")
    reasons: list[str] = Field(description="Why the status is `degraded`: requests are served all the same.")


class Initialized(Body):
    initialized: bool


@get("/healthz", "Say that the process lives.", public=True, anywhere=True)
async def healthz(call: Call) -> Alive:
    return Alive(status="ok")


@get("/readyz", "Say that requests are served.", public=True, anywhere=True)
async def readyz(call: Call) -> Ready:
    return Ready(**readiness(call.runtime))


@get("/api/init", "Say that the gateway is set up.", public=True)
async def init(call: Call) -> Initialized:
    return Initialized(initialized=True)


@get("/metrics", "Count for Prometheus. It names providers, so it needs the token.")
async def metrics(call: Call) -> Text:
    return Text(write(call.runtime), "text/plain; version=0.0.4; charset=utf-8")


ROUTES: tuple[Route, ...] = ()
"""The complete table of routes, set by `omniroute.panel.api`."""


@get("/api/openapi.json", "Describe this API.")
def describe(call: Call) -> dict[str, Any]:
    return _made()


@cache
def _made() -> dict[str, Any]:
    return openapi.document(ROUTES)
