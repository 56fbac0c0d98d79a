"""The OpenAPI document."""

from functools import cache
from typing import Any

from omniroute.panel import openapi
from omniroute.panel.route import Call, Route, get

ROUTES: tuple[Route, ...] = ()
"""Set when the table is complete."""


@get("/api/openapi.json", "Describe this API.")
def describe(call: Call) -> dict[str, Any]:
    return _made()


@cache
def _made() -> dict[str, Any]:
    return openapi.document(ROUTES)
