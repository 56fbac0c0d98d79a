"""Routes of the management API, each declared as one function with typed body, query and return value.

The table of routes is the source of the request handlers and of the OpenAPI document.

    class NewKey(Body):
        name: str

    @post("/api/keys", "Make a key.", status=201)
    def create(call: Call, body: NewKey) -> MadeKey: ...

A plain function runs in a thread and may use the store; an `async` one runs on the event loop and may not.
"""

import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from omniroute.gateway.runtime import Runtime
from omniroute.panel.auth import AdminAuth, Principal
from omniroute.store.db.database import Store

type Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

LARGEST = 1024 * 1024
"""Bytes of a request body at most, unless the route sets its own limit."""


class Body(BaseModel):
    """Base of JSON bodies: field names in camel case, unknown fields refused, no conversion between types.

    Validators are built on first use: building all of them takes a quarter of the panel's start-up time.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        defer_build=True,
    )


class Query(BaseModel):
    """Base of query strings: all values are text, and are converted to the fields' types."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Text:
    """A response of plain text, or of another content type than JSON."""

    text: str
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Download:
    """A response that is a file; its temporary folder is removed once it is sent."""

    file: Path
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Lines[Item: BaseModel]:
    """A streamed response with one line of JSON per item. It ends when the client disconnects."""

    items: AsyncGenerator[Item]


@dataclass(slots=True)
class Call:
    """One request, as passed to its route."""

    door: AdminAuth
    store: Store
    visitor: Principal
    path: Mapping[str, str]
    """Values of the path parameters, by name."""
    cookie: str = field(default="", repr=False)
    """The session in the browser's cookie; empty if there is none."""
    browser: str = field(default="", repr=False)
    """The cookie that marks a browser as having logged in before; empty if there is none."""
    begun: str | None = field(default=None, repr=False)
    """The session to set as a cookie; empty clears the cookie, None leaves it."""

    @property
    def runtime(self) -> Runtime:
        return self.door.runtime


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: Method
    path: str
    run: Callable[..., Any]
    summary: str
    status: int
    public: bool
    """Whether the route needs no authentication."""
    anywhere: bool
    """Whether the route skips the check of Host and Origin, as its response is of no use to another origin's page."""
    largest: int
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    upload: bool
    """Whether the body is an upload: a multipart form of files, or a single file."""
    answer: Any
    """The type of the response: a model, `Text`, `Download`, `Lines` of a model, or None."""

    @property
    def threaded(self) -> bool:
        return not inspect.iscoroutinefunction(self.run)


def _route(method: Method) -> Callable[..., Callable[[Callable[..., Any]], Route]]:
    def offer(
        path: str,
        summary: str,
        *,
        status: int = 200,
        public: bool = False,
        anywhere: bool = False,
        largest: int = LARGEST,
    ) -> Callable[[Callable[..., Any]], Route]:
        def make(run: Callable[..., Any]) -> Route:
            hints = get_type_hints(run)
            return Route(
                method, path, run, summary, status, public, anywhere, largest,
                hints.get("body"), hints.get("query"), "upload" in hints,
                None if hints["return"] is type(None) else hints["return"],
            )  # fmt: skip

        return make

    return offer


get, post, put = _route("GET"), _route("POST"), _route("PUT")
patch, delete = _route("PATCH"), _route("DELETE")


def routes_of(*modules: ModuleType) -> tuple[Route, ...]:
    """Collect the routes of modules, in the order of their definition."""
    return tuple(each for module in modules for each in vars(module).values() if isinstance(each, Route))
