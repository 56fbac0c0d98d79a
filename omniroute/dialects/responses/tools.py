"""The tools of an OpenAI Responses request, wherever they stand in it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from omniroute.dialects.custom import OwnName, read_custom
from omniroute.dialects.ir import NO_EXTRA, Body, Extra, Native, Tool
from omniroute.dialects.read import objects, optional, refuse, required

OPTIONAL = ("web_search", "tool_search")
"""What these tools begin with is found by the client in another way too, or not at all: they may be left out."""


@dataclass(slots=True)
class Tools:
    """The tools of a request, as they are found in it."""

    tools: list[Tool | Native] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """The form's name -> the client's own word, for each tool that is no plain function."""
    left_out: dict[str, Any] = field(default_factory=dict)
    """Tools of the provider that the client can do without, by a name to report."""
    _places: dict[str, tuple[int, OwnName]] = field(default_factory=dict)

    def read(self, tools: Iterable[tuple[Body, str]], namespace: str = "") -> None:
        for tool, path in tools:
            kind = required(tool, "type", str, path)
            if kind == "namespace":
                inner = required(tool, "tools", list, path)
                self.read(objects(inner, f"{path}.tools"), required(tool, "name", str, path))
                if optional(tool, "description", str, path):
                    self.left_out["tools.namespace.description"] = True
            elif kind == "function":
                own = OwnName(required(tool, "name", str, path), namespace=namespace)
                self._add(_function(tool, own, path), own, path)
            elif kind == "custom":
                own = OwnName(required(tool, "name", str, path), "custom", namespace)
                self._add(_custom(tool, own, path), own, path)
            elif kind.startswith(OPTIONAL):
                self.left_out[f"tools.{kind}"] = tool
            else:
                self.tools.append(Native("responses", tool, f"{path}.type"))

    def _add(self, tool: Tool, own: OwnName, path: str) -> None:
        """Take a tool; one that is offered again is as it was offered last, since no one takes two of a name."""
        place = self._places.setdefault(own.plain, (len(self.tools), own))
        if place[1] != own:
            raise refuse(f"{path}.name", f"{own.plain!r} is the name of another tool too, outside of its namespace")
        if place[0] == len(self.tools):
            self.tools.append(tool)
        elif self.tools[place[0]] != tool:
            self.tools[place[0]] = tool
            self.left_out["tools.duplicate"] = True
        if own.kind == "custom" or own.namespace:
            self.names[own.plain] = own.word


def rest(body: Body, *known: str) -> Extra:
    """Keep what else there is."""
    found = {key: value for key, value in body.items() if key not in known and value is not None}
    return {"responses": found} if found else NO_EXTRA


def _function(tool: Body, own: OwnName, path: str) -> Tool:
    return Tool(
        own.plain,
        optional(tool, "description", str, path),
        optional(tool, "parameters", dict, path),
        optional(tool, "strict", bool, path),
        path=path,
        extra=rest(tool, "type", "name", "description", "parameters", "strict"),
    )


def _custom(tool: Body, own: OwnName, path: str) -> Tool:
    form = optional(tool, "format", dict, path) or {"type": "text"}
    extra = rest(tool, "type", "name", "description", *(() if form.get("type") == "grammar" else ("format",)))
    return replace(read_custom(own.plain, tool, form, path), extra=extra)
