"""What a route is: one function with typed bodies. Their table makes the handlers and the OpenAPI document.

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
"""Bytes of a body where a route says nothing else."""


class Body(BaseModel):
    """JSON as it is on the wire: names in camel case, no field that is unknown, no text for a number.

    What reads it is built when it is used first: all of them together take a quarter of the panel's start.
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
    """What stands behind the `?`: everything there is text."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no JSON."""

    text: str
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that is a file, in a folder of `aside` that goes when it is told."""

    file: Path
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Lines[Item: BaseModel]:
    """An answer that comes bit by bit: each item is a line of JSON. Who hangs up ends it."""

    items: AsyncGenerator[Item]


@dataclass(slots=True)
class Call:
    """One request, as its route sees it."""

    door: AdminAuth
    store: Store
    visitor: Principal
    path: Mapping[str, str]
    """What stands in place of the names in the route's path."""
    cookie: str = field(default="", repr=False)
    """The session that the browser has shown."""
    browser: str = field(default="", repr=False)
    """The cookie of a browser that has logged in before."""
    begun: str | None = field(default=None, repr=False)
    """The session that the browser is told; empty ends the one that it has."""

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
    """Anybody may ask."""
    anywhere: bool
    """Under any host name: there is nothing that a page of another origin could learn."""
    largest: int
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    upload: bool
    """Its body is files: a form with them, or one alone."""
    answer: Any
    """A model, or `Text`, or `Download`, or `Lines` of a model, or None."""

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
    """Collect the routes of some modules, in the order in which they stand there."""
    return tuple(each for module in modules for each in vars(module).values() if isinstance(each, Route))
