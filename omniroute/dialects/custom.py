"""Tools of OpenAI that other dialects do not have: custom ones, which take bare text, and those in namespaces.

To another dialect each is a function under a plain name. What the client calls it travels as one word beside the
request, and comes back with the reply, so that a call is said as the client offered the tool.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from omniroute.dialects.ir import Body, Tool
from omniroute.dialects.jsonish import dump, load_object
from omniroute.dialects.read import optional, refuse, required

type Kind = Literal["function", "custom"]

MARK = "\x1f"
"""Parts the words of an own name: no name of a tool holds it."""


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


def read_custom(name: str, tool: Body, form: Body, path: str) -> Tool:
    """Read a custom tool as a function of one text; a grammar is told, since it cannot be enforced.

    `form` is the format, and holds the grammar itself.
    """
    given: Mapping[str, Any] = {"type": "string"}
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
    return Tool(name, optional(tool, "description", str, path), parameters, path=path)


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
