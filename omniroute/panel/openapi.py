"""The OpenAPI document, generated from the table of routes."""

import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from omniroute import __version__
from omniroute.panel.error_format import ErrorBody
from omniroute.panel.routes import Download, Lines, Route, Text
from omniroute.panel.upload import FILE, FORM

DOWNLOADS = ("application/octet-stream", "application/gzip")
"""Content types of downloads."""
REF = "#/components/schemas/{model}"
WORDS = {
    400: "The request is not what the route takes.",
    401: "A log-in is needed, or the one that was shown is wrong.",
    403: "A page of another origin has asked.",
    404: "There is no such thing.",
    409: "Something of the kind is under way already.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many wrong log-ins.",
    500: "The gateway failed; its log says why.",
    503: "The gateway is starting, or about to end.",
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document of some routes."""
    routes = tuple(routes)
    bodies = {each.body for each in routes if each.body}
    answers = {each.answer for each in routes if _is_model(each.answer)} | {ErrorBody}
    answers |= {item for each in routes if get_origin(each.answer) is Lines for item in get_args(each.answer)}
    wanted: list[tuple[type[BaseModel], Any]] = [(each, "validation") for each in bodies]
    wanted += [(each, "serialization") for each in answers]
    named, definitions = models_json_schema(sorted(wanted, key=lambda pair: pair[0].__name__), ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for each in routes:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "OmniRoute", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "omniroute_session"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


def _operation(route: Route, named: Any) -> dict[str, Any]:
    failed = _content(named[ErrorBody, "serialization"])
    said: dict[str, Any] = {str(route.status): {"description": route.summary}}
    if content := _said(route, named):
        said[str(route.status)]["content"] = content
    for status, words in WORDS.items():
        said.setdefault(str(status), {"description": words, "content": failed})
    made: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub('[^A-Za-z0-9]+', '_', route.path)}",
        "summary": route.summary,
        "responses": said,
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.query:
        schema = route.query.model_json_schema(ref_template=REF)
        needed = schema.get("required", [])
        parameters += [
            {"name": name, "in": "query", "required": name in needed, "schema": each}
            for name, each in schema.get("properties", {}).items()
        ]
    if parameters:
        made["parameters"] = parameters
    if content := _taken(route, named):
        made["requestBody"] = {"required": True, "content": content}
    if route.public:
        made["security"] = []
    return made


def _said(route: Route, named: Any) -> dict[str, Any] | None:
    """Return the `content` object of a successful response, by content type; None for an empty response."""
    if route.answer is Text:
        return {"text/plain": {"schema": {"type": "string"}}}
    if route.answer is Download:
        return {kind: {"schema": {}} for kind in DOWNLOADS}
    if get_origin(route.answer) is Lines:
        (item,) = get_args(route.answer)
        return {"application/x-ndjson": {"schema": named[item, "serialization"]}}
    if _is_model(route.answer):
        return _content(named[route.answer, "serialization"])
    return None if route.answer is None else _content({"type": "object"})


def _taken(route: Route, named: Any) -> dict[str, Any] | None:
    """Return the `content` object of the request body, by content type; None for no body."""
    if route.body:
        return _content(named[route.body, "validation"])
    if not route.upload:
        return None
    files = {FILE: {"type": "string", "format": "binary"}, "keyFile": {"type": "string", "format": "binary"}}
    return {FORM: {"schema": {"type": "object", "properties": files, "required": [FILE]}}}


def _content(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _is_model(answer: Any) -> bool:
    return isinstance(answer, type) and issubclass(answer, BaseModel)
