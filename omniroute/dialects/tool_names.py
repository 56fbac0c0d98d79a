"""Names and ids that a target's rules forbid, made fit the same way each time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from omniroute.dialects.ir import Body, Tool
from omniroute.dialects.json_edit import dump, load_object
from omniroute.dialects.validate import optional, refuse, required

ALLOWED_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
FORBIDDEN_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")


class ToolNames:
    """Fits the names of tools to 64 of [a-zA-Z0-9_-], and knows the way back."""

    def __init__(self) -> None:
        self.back: dict[str, str] = {}
        """What was said -> what it stands for, for the names that had to change."""

    def fit(self, name: str) -> str:
        if ALLOWED_NAME.fullmatch(name):
            return name
        return self._replace(name, name)

    def _replace(self, name: str, alike: str) -> str:
        """Say something like `alike` for `name`; the digest keeps apart what looks the same then."""
        said = f"{FORBIDDEN_CHARACTERS.sub('_', alike)[:55]}_{_digest(name)[:8]}"
        self.back[said] = name
        return said


def fit_id(call_id: str, limit: int) -> str:
    """Make the id of a call acceptable: the same id gives the same one in each turn."""
    if len(call_id) <= limit and ALLOWED_NAME.fullmatch(call_id):
        return call_id
    return derive_id("call_", call_id)


def derive_id(prefix: str, *facts: object) -> str:
    """Make an id where the upstream gave none, out of what is known."""
    return prefix + _digest("/".join(map(str, facts)))[:24]


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


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
