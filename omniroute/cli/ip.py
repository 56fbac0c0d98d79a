"""`omniroute-ctl ip …`: manage the IP filter."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from omniroute.access.ip_filter import MODES
from omniroute.cli.base import Group, State
from omniroute.cli.output import iso, local, say, show_json, table
from omniroute.cli.time_args import span
from omniroute.store.config import ip_filter
from omniroute.store.db.database import Store

WHAT_IT_DOES = {
    "off": "the lists keep nobody out",
    "blacklist": "who is denied is kept out",
    "whitelist": "only who is allowed comes in",
    "whitelist-priority": "who is denied is kept out, unless he is allowed too",
}


@click.group(cls=Group)
def ip() -> None:
    """Who may come in at all, by address: for asking models and for managing alike."""


force_option = click.option("--force", is_flag=True, help="Even where that keeps out this machine.")


def _networks[F: Callable[..., Any]](command: F) -> F:
    command = click.option(
        "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read more from it, one a line."
    )(command)
    return click.argument("networks", nargs=-1, metavar="ADDRESS|CIDR...")(command)


def _all(networks: Sequence[str], file: Path | None) -> list[str]:
    """Combine the networks of the arguments and of a file with `#` comments. Raises UsageError if there are none."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []
    found = [*networks, *(text for line in lines if (text := line.partition("#")[0].strip()))]
    if not found:
        raise click.UsageError("say an address or a network, such as 203.0.113.7 or 10.0.0.0/8")
    return found


@ip.command()
@_networks
@force_option
@click.pass_obj
def allow(state: State, networks: tuple[str, ...], file: Path | None, force: bool) -> None:
    """Put addresses or networks on the list of who is allowed."""
    with state.store() as store:
        made = ip_filter.put(store, "allow", _all(networks, file), force=force)
        _tell(state, store, f"Allowed {_some(made)}")


@ip.command()
@_networks
@force_option
@click.pass_obj
def deny(state: State, networks: tuple[str, ...], file: Path | None, force: bool) -> None:
    """Put addresses or networks on the list of who is denied."""
    with state.store() as store:
        made = ip_filter.put(store, "deny", _all(networks, file), force=force)
        _tell(state, store, f"Denied {_some(made)}")


@ip.command()
@_networks
@click.option("--for", "seconds", type=span, default="1h", show_default=True, metavar="TIME", help="90s, 30m, 12h, 7d.")
@click.option("--reason", default="", help="Why, for whoever looks at the list.")
@force_option
@click.pass_obj
def ban(state: State, networks: tuple[str, ...], file: Path | None, seconds: float, reason: str, force: bool) -> None:
    """Keep addresses or networks out for a time, whatever the mode and the lists say."""
    with state.store() as store:
        until = time.time() + seconds
        made = ip_filter.put(store, "ban", _all(networks, file), until=until, reason=reason, force=force)
        _tell(state, store, f"Banned {_some(made)} until {local(until)}", lists=False)


@ip.command()
@_networks
@click.pass_obj
def unban(state: State, networks: tuple[str, ...], file: Path | None) -> None:
    """End bans before their time."""
    with state.store() as store:
        _tell(
            state,
            store,
            f"{_some(ip_filter.remove(store, _all(networks, file), ('ban',)))}: banned no more",
            lists=False,
        )


@ip.command()
@_networks
@force_option
@click.pass_obj
def remove(state: State, networks: tuple[str, ...], file: Path | None, force: bool) -> None:
    """Take addresses or networks off both lists."""
    with state.store() as store:
        _tell(state, store, f"{_some(ip_filter.remove(store, _all(networks, file), force=force))}: on no list any more")


@ip.command()
@click.argument("mode", type=click.Choice(MODES))
@force_option
@click.pass_obj
def mode(state: State, mode: str, force: bool) -> None:
    r"""Say how the lists act.

    \b
    off                 the lists keep nobody out; bans always act
    blacklist           who is denied is kept out
    whitelist           only who is allowed comes in
    whitelist-priority  who is denied is kept out, unless he is allowed too
    """
    with state.store() as store:
        ip_filter.set_mode(store, mode, force=force)
        _tell(state, store, f"From now on {WHAT_IT_DOES[mode]}", lists=False)


@ip.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """Show the mode, both lists and the bans."""
    with state.store() as store:
        shown = _as_json(store)
        bans = ip_filter.now(store).bans
    if state.as_json:
        show_json(shown)
        return
    say(f"Mode {shown['mode']}: {WHAT_IT_DOES[str(shown['mode'])]}.")
    for name in ("allow", "deny"):
        say(f"{name}: {', '.join(shown[name]) or 'nobody'}")
    if bans:
        say("")
        table(
            ["banned", "until", "reason"],
            [(name, local(each.until), each.reason or None) for name, each in bans.items()],
        )


def _as_json(store: Store) -> dict[str, Any]:
    held, now = ip_filter.now(store), time.time()
    return {
        "mode": held.mode,
        "allow": list(held.allow.texts),
        "deny": list(held.deny.texts),
        "bans": [
            {
                "ip": network,
                "until": iso(each.until),
                "reason": each.reason,
                "remaining_ms": round((each.until - now) * 1000),
            }
            for network, each in held.bans.items()
        ],
    }


def _tell(state: State, store: Store, text: str, *, lists: bool = True) -> None:
    if state.as_json:
        show_json(_as_json(store))
        return
    off = lists and ip_filter.now(store).mode == "off"
    say(f"{text}.{' The lists do not act: omniroute-ctl ip mode blacklist' if off else ''}")


def _some(networks: Sequence[str]) -> str:
    rest = len(networks) - 5
    return ", ".join(networks[:5]) + (f" and {rest:,} more" if rest > 0 else "")
