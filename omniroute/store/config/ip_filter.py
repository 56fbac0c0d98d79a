"""IP filter: allow and deny lists of networks, bans, and the filter mode, with a check against locking oneself out."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from omniroute.access.client_address import networks, read_network
from omniroute.access.ip_filter import MODES, Ban, IpFilter
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows as read
from omniroute.store.config.validation import quoted, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import IpRules, Settings

type Kind = Literal["allow", "deny", "ban"]

MODE = "ip.mode"
"""Name of the stored mode. It has commands of its own, since each change is checked for locking out the caller."""
MOST = 100_000
"""Maximum number of networks in all lists together."""
MAX_REASON = 200
LONGEST_BAN = 10 * 365 * 86400.0
HERE = ("127.0.0.1", "::1")
"""The loopback addresses, from which `omniroute-ctl` and most clients connect."""


def load(store: Store, values: Mapping[str, Any]) -> IpFilter:
    """Read the filter from the database, without bans that have expired; `values` are the stored settings by name."""
    found: dict[str, list[dict[str, Any]]] = {"allow": [], "deny": [], "ban": []}
    for row in store.rows(IpRules.select().order_by(IpRules.created_at, IpRules.network)):
        found[row["kind"]].append(row)
    bans = {row["network"]: Ban(row["until"], row["reason"]) for row in found["ban"] if row["until"] > store.clock()}
    trusted = values.get("trusted_proxies", "")
    return IpFilter(
        mode=values.get(MODE, "off"),
        allow=networks(*(row["network"] for row in found["allow"])),
        deny=networks(*(row["network"] for row in found["deny"])),
        bans=bans,
        banned=networks(*bans),
        trusted=networks(*trusted.split(",")) if trusted else networks(),
    )


def now(store: Store) -> IpFilter:
    """Read the current filter, including its settings, from the database."""
    return load(store, read.settings(store))


def set_mode(store: Store, mode: str, *, caller: Sequence[str] = HERE, force: bool = False) -> None:
    """Set the filter mode.

    Raises StoreError for an unknown mode, or without `force` when it would lock out the caller.
    """
    if mode not in MODES:
        raise StoreError(
            f"the mode {quoted(mode)} is none of {', '.join(MODES)}{suggest(close_matches(mode, list(MODES)))}"
        )
    with changing(store, caller, force=force):
        store.run(Settings.delete().where(Settings.name == MODE))
        if mode != "off":
            store.run(Settings.insert(name=MODE, value=json.dumps(mode)))


def put(
    store: Store,
    kind: Kind,
    texts: Iterable[str],
    *,
    until: float | None = None,
    reason: str = "",
    caller: Sequence[str] = HERE,
    force: bool = False,
) -> list[str]:
    """Add networks to a list in one transaction and return them in canonical form; `until` is the end of a ban.

    Raises StoreError for an invalid network, reason or end, for too many networks, and, unless `force` is set, for a
    change that would lock out the `caller` or this machine.
    """
    found = list(dict.fromkeys(network(text) for text in texts))
    if len(reason) > MAX_REASON or not reason.isprintable():
        raise StoreError(f"a reason has up to {MAX_REASON} printable characters")
    if kind == "ban" and not (until is not None and 0 < until - store.clock() <= LONGEST_BAN):
        raise StoreError("a ban ends after now, and within ten years: deny what is never to come in")
    with changing(store, caller, force=force):
        store.run_many(
            "insert or replace into ip_rules (kind, network, until, reason, created_at) values (?, ?, ?, ?, ?)",
            [(kind, each, until, reason, store.clock()) for each in found],
        )
        store.run(IpRules.delete().where(IpRules.until <= store.clock()))
        if IpRules.select().count(store.db) > MOST:
            raise StoreError(f"the lists hold at most {MOST:,} networks")
    return found


def remove(
    store: Store,
    texts: Iterable[str],
    kinds: Sequence[Kind] = ("allow", "deny"),
    *,
    caller: Sequence[str] = HERE,
    force: bool = False,
) -> list[str]:
    """Remove networks from the lists in one transaction and return them in canonical form.

    Raises StoreError when one of them is on none of the lists, or when the change would lock out the caller without
    `force`.
    """
    found = list(dict.fromkeys(network(text) for text in texts))
    with changing(store, caller, force=force):
        for each in found:
            query = IpRules.delete().where((IpRules.network == each) & IpRules.kind.in_(list(kinds)))
            if not store.run(query):
                rows = store.rows(IpRules.select(IpRules.network).where(IpRules.kind.in_(list(kinds))).limit(1000))
                where = "banned" if tuple(kinds) == ("ban",) else "on a list"
                raise StoreError(
                    f"{each} is not {where}{suggest(close_matches(each, [row['network'] for row in rows]))}"
                )
    return found


@contextmanager
def changing(store: Store, caller: Sequence[str], *, force: bool) -> Iterator[None]:
    """Run a change in a transaction and roll it back with StoreError when it would lock out the caller or this machine.

    `force` skips that check.
    """
    with store.change():
        at = store.clock()
        before = now(store)
        yield
        after = now(store)
        if force:
            return
        for address in dict.fromkeys((*caller, *HERE)):
            if after.refusal(address, at) and not before.refusal(address, at):
                whom = "this machine" if address in HERE else "you"
                raise StoreError(
                    f"this would keep out {address}, which is {whom}: nothing was changed. "
                    "Allow that first, or say --force"
                )


def network(text: str) -> str:
    """Return a network in canonical form, a single address without its prefix length.

    Raises StoreError if it is invalid.
    """
    try:
        found = read_network(text)
    except ValueError as exc:
        raise StoreError(str(exc)) from exc
    return str(found.network_address) if found.prefixlen == found.max_prefixlen else str(found)
