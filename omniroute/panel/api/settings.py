"""Routes for the settings, as in `omniroute-ctl settings`, and for the password."""

import asyncio
from operator import attrgetter
from typing import Any

from pydantic import Field

from omniroute.config.settings import settings_of
from omniroute.config.settings_registry import SETTINGS
from omniroute.errors import BadRequest, Forbidden
from omniroute.panel.routes import Body, Call, get, patch
from omniroute.store.config import rows, settings
from omniroute.store.db.files import StoreError
from omniroute.store.state import password

type Value = bool | int | float | str | None


class One(Body):
    value: Any
    is_set: bool = Field(description="False where this is the default.")
    help: str


class Settings(Body):
    settings: dict[str, One]
    fallback_strategy: str
    sticky_round_robin_limit: int
    blocked_providers: list[str]
    has_password: bool
    require_login: bool


class Change(Body):
    settings: dict[str, Value] = Field({}, description="By name; null goes back to the default.")
    fallback_strategy: str | None = Field(None, description="The same as `strategy` in `settings`.")
    sticky_round_robin_limit: int | None = Field(None, description="The same as `sticky_limit` in `settings`.")
    blocked_providers: list[str] | None = Field(None, description="All that nobody may ask; the others may be asked.")
    new_password: str | None = None
    current_password: str | None = Field(None, description="Needed for a new one, unless the admin token is shown.")


@get("/api/settings", "Show all settings, with what holds where nobody has set anything.")
def show(call: Call) -> Settings:
    said = rows.settings(call.store)
    held = settings_of(said)
    own = [name for name in said if settings.is_setting(name) and name not in SETTINGS]
    return Settings(
        settings={
            **{n: One(value=attrgetter(n)(held), is_set=n in said, help=each.help) for n, each in SETTINGS.items()},
            **{n: One(value=said[n], is_set=True, help=settings.kind_of(n).help) for n in own},
        },
        fallback_strategy=held.strategy,
        sticky_round_robin_limit=held.sticky_limit,
        blocked_providers=sorted(rows.blocked(call.store)),
        has_password=password.is_set(call.store),
        require_login=call.door.settings.require_login,
    )


@patch("/api/settings", "Change settings, all or none; they act at once.")
async def change(call: Call, body: Change) -> Settings:
    """Check the current password before a change of password, then apply all changes.

    A wrong current password counts as a failed log-in, so that it cannot be guessed here. Raises Forbidden for it.
    """
    if body.new_password is not None and call.visitor.kind != "token":
        shown = body.current_password
        if not shown or not await call.door.knows_password(call.store, call.visitor.client, shown, call.browser):
            raise Forbidden("the current password is needed, and this is not it", param="currentPassword")
    return await asyncio.to_thread(_change, call, body)


def _change(call: Call, body: Change) -> Settings:
    """Apply all changes in one transaction; a new password is set last, as it ends all sessions."""
    with call.store.change():
        wanted: dict[str, Value] = dict(body.settings)
        if body.fallback_strategy is not None:
            wanted["strategy"] = body.fallback_strategy
        if body.sticky_round_robin_limit is not None:
            wanted["sticky_limit"] = body.sticky_round_robin_limit
        for name, value in wanted.items():
            _put(call, name, value)
        if body.blocked_providers is not None:
            _block(call, body.blocked_providers)
        if body.new_password is not None:
            password.put(call.store, body.new_password)
    return show.run(call)  # type: ignore[no-any-return]


def _put(call: Call, name: str, value: Value) -> None:
    try:
        if value is None:
            settings.unset(call.store, name)
        else:
            settings.put(call.store, name, _text(value))
    except StoreError as error:
        raise BadRequest(str(error), param=f"settings.{name}") from error


def _text(value: Value) -> str:
    """Convert a value to the text form that the settings store parses."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _block(call: Call, wanted: list[str]) -> None:
    try:
        ids = {settings.block(call.store, name) for name in wanted}
    except StoreError as error:
        raise BadRequest(str(error), param="blockedProviders") from error
    for name in rows.blocked(call.store) - ids:
        settings.unblock(call.store, name)
