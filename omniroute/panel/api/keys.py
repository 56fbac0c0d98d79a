"""Routes for gateway API keys."""

from pydantic import Field

from omniroute.config import model
from omniroute.errors import NotFound
from omniroute.panel.routes import Body, Call, delete, get, patch, post
from omniroute.store.config import keys, rows


class Key(Body):
    id: str
    name: str
    key: str = Field(description="Enough to tell it from others: the whole key is shown once, when it is made.")
    scopes: list[str]
    allowed_models: list[str]
    ips: list[str]
    rpm: int | None
    concurrency: int | None
    expires_at: float | None = Field(description="Seconds of the epoch, as all times here.")
    created_at: float
    revoked_at: float | None
    last_used_at: float | None
    last_used_from: str | None


class Keys(Body):
    keys: list[Key]


class KeyChange(Body):
    """A change of a key; omitted fields keep their values."""

    name: str | None = Field(None, max_length=200)
    allowed_models: list[str] | None = Field(None, max_length=1000, description="Patterns; none allows every model.")
    scopes: list[str] | None = Field(None, max_length=10, description="`inference`, `admin`, or both.")
    expires_at: float | None = Field(None, ge=0, description="Seconds of the epoch; 0 is never.")
    ips: list[str] | None = Field(None, max_length=1000, description="Networks where it may be used; none: everywhere")
    rpm: int | None = Field(None, description="Requests a minute; 0 is no limit.")
    concurrency: int | None = Field(None, description="Exchanges at once; 0 is no limit.")

    @property
    def change(self) -> keys.KeyEdit:
        return keys.KeyEdit(
            self.name, self.allowed_models, self.scopes, self.expires_at, self.ips, self.rpm, self.concurrency
        )


class NewKey(KeyChange):
    name: str = Field(max_length=200)


class MadeKey(Key):
    key: str = Field(description="The whole key. It is not shown again.")


@get("/api/keys", "List the keys that were not revoked.")
def list_(call: Call) -> Keys:
    used = keys.uses(call.store)
    return Keys(keys=[_shown(key, used.get(key.id)) for key in rows.keys(call.store) if key.revoked_at is None])


@post("/api/keys", "Make a key; it is shown once.", status=201)
def create(call: Call, body: NewKey) -> MadeKey:
    made, shown = keys.create(call.store, body.name, body.allowed_models or (), body.change)
    return MadeKey(**_shown(made, None).model_dump() | {"key": shown})


@get("/api/keys/{id}", "Show a key, also one that was revoked.")
def show(call: Call) -> Key:
    return _shown(_find(call), keys.uses(call.store).get(call.path["id"]))


@patch("/api/keys/{id}", "Change a key; it acts at once.")
def change(call: Call, body: KeyChange) -> Key:
    _find(call)
    return _shown(keys.edit(call.store, call.path["id"], body.change), keys.uses(call.store).get(call.path["id"]))


@delete("/api/keys/{id}", "End a key for good, at once.")
def revoke(call: Call) -> Key:
    _find(call)
    return _shown(keys.revoke(call.store, call.path["id"]), keys.uses(call.store).get(call.path["id"]))


def _find(call: Call) -> model.Key:
    found = next((key for key in rows.keys(call.store) if key.id == call.path["id"]), None)
    if found is None:
        raise NotFound(f"there is no key with the id {call.path['id'][:100]!r}")
    return found


def _shown(key: model.Key, used: tuple[float, str] | None) -> Key:
    return Key(
        id=key.id,
        name=key.name,
        key=f"{keys.MARK}…{key.hint}",
        scopes=list(key.scopes),
        allowed_models=list(key.allow),
        ips=list(key.ips.texts),
        rpm=key.limit.rpm,
        concurrency=key.limit.concurrency,
        expires_at=key.expires_at,
        created_at=key.created_at,
        revoked_at=key.revoked_at,
        last_used_at=used[0] if used else None,
        last_used_from=used[1] if used else None,
    )
