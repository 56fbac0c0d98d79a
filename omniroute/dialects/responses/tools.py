"""Tools of OpenAI Responses that other dialects do not have: custom ones, and those in namespaces.

To another dialect each is a function under a plain name. What the client calls it travels as one word beside the
request, and comes back with the reply, so that a call is said as the client offered the tool.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from omniroute.dialects.ir import NO_EXTRA, Body, Extra, Native, Tool
from omniroute.dialects.jsonish import dump, load_object
from omniroute.dialects.read import objects, optional, refuse, required

type Kind = Literal["function", "custom"]

MARK = "\x1f"
"""Parts the words of an own name: no name of a tool holds it."""
OPTIONAL = ("web_search", "tool_search")
"""What these tools begin with is found by the client in another way too, or not at all: they may be left out."""


@dataclass(frozen=True, slots=True)
class OwnName:
    """A tool as the client knows it."""

    name: str
    kind: Kind = "function"
    namespace: str = ""

    @property
    def plain(self) -> str:
        """The name that it has in the form."""
        return f"{self.namespace}__{self.name}" if self.namespace else self.name

    @property
    def word(self) -> str:
        return MARK.join((self.kind, self.namespace, self.name))


def read_own_name(word: str) -> OwnName:
    """Read what a call is named: a word as above, or simply the name of a function."""
    match word.split(MARK):
        case ["function" | "custom" as kind, namespace, name]:
            return OwnName(name, kind, namespace)
        case _:
            return OwnName(word)


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
    """Read a tool that takes bare text as a function of one text; a grammar is told, since it cannot be enforced."""
    given: Mapping[str, Any] = {"type": "string"}
    form = optional(tool, "format", dict, path) or {"type": "text"}
    if form.get("type") == "grammar":
        syntax = optional(form, "syntax", str, f"{path}.format") or "lark"
        definition = required(form, "definition", str, f"{path}.format")
        given = {"type": "string", "description": f"Must follow this {syntax} grammar:\n{definition}"}
    elif form.get("type") != "text":
        raise refuse(f"{path}.format.type", "must be text or grammar")
    parameters = {
        "type": "object",
        "properties": {"input": given},
        "required": ["input"],
        "additionalProperties": False,
    }
    extra = rest(tool, "type", "name", "description", *(() if form["type"] == "grammar" else ("format",)))
    return Tool(own.plain, optional(tool, "description", str, path), parameters, path=path, extra=extra)


def write_input(text: str) -> str:
    """Give the input of a custom tool as the arguments of the function that stands for it."""
    return dump({"input": text}).decode()


def read_input(arguments: str) -> str:
    """Give the input that a model wrote as arguments; what is nothing like them is the input itself."""
    try:
        given = load_object(arguments).get("input")
    except ValueError:
        return arguments
    return given if isinstance(given, str) else arguments
