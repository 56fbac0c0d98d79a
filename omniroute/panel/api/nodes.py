"""Routes for nodes: model servers of the user's own."""

from typing import Literal

from pydantic import Field

from omniroute.catalog.provider import DialectName, Provider
from omniroute.config.model import Config
from omniroute.errors import BadRequest, NotFound
from omniroute.panel.routes import Body, Call, delete, get, post, put
from omniroute.routing.combo_impact import combos_using
from omniroute.store.config import nodes, snapshot


class Node(Body):
    id: str
    name: str
    prefix: str = Field(description="What stands before the slash in the names of its models.")
    dialect: DialectName
    base_url: str
    accounts: int
    combos: list[str] = Field(description="Those that it could serve.")


class Nodes(Body):
    nodes: list[Node]


class One(Body):
    node: Node


class Server(Body):
    """The dialect of a server, given as `dialect` or as `type` and `api_type`."""

    dialect: DialectName | None = None
    type: Literal["openai-compatible", "anthropic-compatible"] | None = Field(None, description="For `dialect`.")
    api_type: Literal["chat", "responses"] | None = Field(None, description="For `dialect`, where the type is OpenAI's")

    @property
    def speaks(self) -> DialectName | None:
        """The dialect from either form; None if neither is given."""
        if self.dialect or not (self.type or self.api_type):
            return self.dialect
        if self.type == "anthropic-compatible":
            return "claude"
        return "responses" if self.api_type == "responses" else "openai"


class NodeChange(Server):
    """A change of a node; omitted fields keep their values."""

    name: str | None = Field(None, max_length=200)
    base_url: str | None = Field(None, max_length=2000)


class NewNode(NodeChange):
    prefix: str = Field(max_length=100)
    base_url: str = Field(max_length=2000)


class Removed(Body):
    removed: str
    accounts: int = Field(description="Those at it, which went with it.")
    combos: list[str] = Field(description="Those that it could serve.")


@get("/api/provider-nodes", "List the nodes.")
def list_(call: Call) -> Nodes:
    config = snapshot.load(call.store)
    return Nodes(nodes=[_shown(each, config) for each in config.nodes])


@post("/api/provider-nodes", "Add a node. It needs no account where it wants no key.", status=201)
def create(call: Call, body: NewNode) -> One:
    made = nodes.add(call.store, body.prefix, dialect_of(body), body.base_url, body.name)
    return One(node=_shown(made, snapshot.load(call.store)))


@put("/api/provider-nodes/{id}", "Change a node; its prefix stays.")
def change(call: Call, body: NodeChange) -> One:
    _find(call)
    made = nodes.edit(call.store, call.path["id"], dialect=body.speaks, base_url=body.base_url, name=body.name)
    return One(node=_shown(made, snapshot.load(call.store)))


@delete("/api/provider-nodes/{id}", "Remove a node and the accounts at it.")
def remove(call: Call) -> Removed:
    found = _find(call)
    return Removed(removed=found.prefix, accounts=nodes.remove(call.store, found.prefix), combos=found.combos)


def dialect_of(body: Server) -> DialectName:
    """Return the dialect of a new server. Raises BadRequest if it is not given."""
    if (dialect := body.speaks) is None:
        raise BadRequest("say which dialect it speaks: openai, responses, claude or gemini", param="dialect")
    return dialect


def _find(call: Call) -> Node:
    config, prefix = snapshot.load(call.store), call.path["id"]
    found = next((each for each in config.nodes if each.prefix == prefix), None)
    if found is None:
        raise NotFound(f"there is no node {prefix[:100]!r}")
    return _shown(found, config)


def _shown(node: Provider, config: Config) -> Node:
    return Node(
        id=node.id,
        name=node.name,
        prefix=node.prefix,
        dialect=next(iter(node.paths)),
        base_url=node.base_url,
        accounts=sum(each.provider == node.id for each in config.accounts),
        combos=combos_using(config, lambda used: used.provider == node.id),
    )
