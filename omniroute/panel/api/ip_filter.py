"""Routes for the IP filter. Changes that would block the caller or this machine are refused unless forced."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pydantic import Field

from omniroute.errors import BadRequest
from omniroute.panel.routes import Body, Call, get, put
from omniroute.store.config import ip_filter
from omniroute.store.config.ip_filter import Kind
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError

HOUR = 3_600_000.0
"""Default duration of a ban, in milliseconds."""


class Ban(Body):
    ip: str
    until: float
    reason: str
    remaining_ms: float


class Filter(Body):
    enabled: bool = Field(description="Whether the lists act; bans always do.")
    mode: str
    blacklist: list[str]
    whitelist: list[str]
    temp_bans: list[Ban]
    you: str = Field(description="The address that this was asked from.")


class NewBan(Body):
    ip: str
    duration_ms: float = HOUR
    reason: str = ""


class Change(Body):
    """A change of the IP filter, applied as a whole or not at all; omitted fields keep their values.

    A list can be replaced, or added to and removed from.
    """

    enabled: bool | None = Field(None, description="False is the mode `off`; true is `blacklist`, unless a mode is on.")
    mode: str | None = Field(None, description="`off`, `blacklist`, `whitelist` or `whitelist-priority`.")
    blacklist: list[str] | None = None
    whitelist: list[str] | None = None
    add_blacklist: str | list[str] | None = None
    remove_blacklist: str | list[str] | None = None
    add_whitelist: str | list[str] | None = None
    remove_whitelist: str | list[str] | None = None
    temp_ban: NewBan | None = None
    remove_ban: str | list[str] | None = None
    force: bool = Field(False, description="Even where that keeps out who asks, or this machine.")


@get("/api/settings/ip-filter", "Show who is allowed, denied and banned, by address.")
def show(call: Call) -> Filter:
    held, at = ip_filter.now(call.store), call.store.clock()
    return Filter(
        enabled=held.mode != "off",
        mode=held.mode,
        blacklist=list(held.deny.texts),
        whitelist=list(held.allow.texts),
        temp_bans=[
            Ban(ip=name, until=each.until, reason=each.reason, remaining_ms=round((each.until - at) * 1000))
            for name, each in held.bans.items()
        ],
        you=call.visitor.client.address,
    )


@put("/api/settings/ip-filter", "Change it; what would keep out who asks, or this machine, is refused unless forced.")
def change(call: Call, body: Change) -> Filter:
    store, caller = call.store, (call.visitor.client.address, *ip_filter.HERE)
    with _at("force"), ip_filter.changing(store, caller, force=body.force):
        for kind, name in (("deny", "blacklist"), ("allow", "whitelist")):
            _list(store, kind, name, body)  # type: ignore[arg-type]
        if body.temp_ban is not None:
            ban, at = body.temp_ban, store.clock()
            with _at("tempBan"):
                ip_filter.put(store, "ban", [ban.ip], until=at + ban.duration_ms / 1000, reason=ban.reason, force=True)
        if body.remove_ban is not None:
            with _at("removeBan"):
                ip_filter.remove(store, _many(body.remove_ban), ("ban",), force=True)
        mode = body.mode
        if body.enabled is False:
            mode = "off"
        elif body.enabled and mode is None and ip_filter.now(store).mode == "off":
            mode = "blacklist"
        if mode is not None:
            with _at("mode"):
                ip_filter.set_mode(store, mode, force=True)
    return show.run(call)  # type: ignore[no-any-return]


def _list(store: Store, kind: Kind, name: str, body: Change) -> None:
    """Change one list: replace it, then add entries, then remove entries, each if given."""
    whole, add, remove = (getattr(body, f"{what}{name}") for what in ("", "add_", "remove_"))
    if whole is not None:
        with _at(name):
            wanted = [ip_filter.network(each) for each in whole]
            held = ip_filter.now(store)
            before = (held.deny if kind == "deny" else held.allow).texts
            _take(store, kind, [each for each in before if each not in set(wanted)])
            if wanted:
                ip_filter.put(store, kind, wanted, force=True)
    if add is not None:
        with _at(f"add{name.capitalize()}"):
            ip_filter.put(store, kind, _many(add), force=True)
    if remove is not None:
        with _at(f"remove{name.capitalize()}"):
            _take(store, kind, _many(remove))


def _take(store: Store, kind: Kind, networks: Iterable[str]) -> None:
    ip_filter.remove(store, networks, (kind,), force=True)


def _many(said: str | list[str]) -> list[str]:
    return [said] if isinstance(said, str) else said


@contextmanager
def _at(field: str) -> Iterator[None]:
    """Convert a StoreError to a BadRequest that names a field."""
    try:
        yield
    except StoreError as error:
        raise BadRequest(str(error), param=field) from error
