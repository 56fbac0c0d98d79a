"""Keys that clients show to the gateway."""

from pydantic import Field

from omniroute.errors import NotFound
from omniroute.panel.route import Body, Call, delete, get, post
from omniroute.routing import config
from omniroute.store import keys, read


class Key(Body):
    id: str
    name: str
    key: str = Field(description="Enough to tell it from others: the whole key is shown once, when it is made.")
    allowed_models: list[str]
    created_at: float
    revoked_at: float | None


class Keys(Body):
    keys: list[Key]


class NewKey(Body):
    name: str = Field(max_length=200)
    allowed_models: list[str] = Field([], max_length=1000, description="Patterns; none allows every model.")


class MadeKey(Body):
    id: str
    name: str
    key: str = Field(description="The whole key. It is not shown again.")
    allowed_models: list[str]


@get("/api/keys", "List the keys that open something.")
def list_(call: Call) -> Keys:
    return Keys(keys=[_shown(key) for key in read.keys(call.store) if key.revoked_at is None])


@post("/api/keys", "Make a key; it is shown once.", status=201)
def create(call: Call, body: NewKey) -> MadeKey:
    made, shown = keys.create(call.store, body.name, body.allowed_models)
    return MadeKey(id=made.id, name=made.name, key=shown, allowed_models=list(made.allow))


@get("/api/keys/{id}", "Show a key, also one that was revoked.")
def show(call: Call) -> Key:
    return _shown(_find(call))


@delete("/api/keys/{id}", "End a key for good, at once.")
def revoke(call: Call) -> Key:
    _find(call)
    return _shown(keys.revoke(call.store, call.path["id"]))


def _find(call: Call) -> config.Key:
    found = next((key for key in read.keys(call.store) if key.id == call.path["id"]), None)
    if found is None:
        raise NotFound(f"there is no key with the id {call.path['id'][:100]!r}")
    return found


def _shown(key: config.Key) -> Key:
    return Key(
        id=key.id,
        name=key.name,
        key=f"{keys.MARK}…{key.hint}",
        allowed_models=list(key.allow),
        created_at=key.created_at,
        revoked_at=key.revoked_at,
    )
