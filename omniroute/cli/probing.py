"""Asking providers: loaded by the commands that do, since the network's libraries take long to load."""

import asyncio
from contextlib import nullcontext

from rich.status import Status

from omniroute.catalog.provider import Provider
from omniroute.cli.output import console
from omniroute.routing.config import Account
from omniroute.routing.plan import Target
from omniroute.upstream.probe import Probe, Result


def test_account(
    account: Account, provider: Provider, api_key: str | None, model: str | None, timeout: float
) -> Result:
    with _progress(f"asking {provider.name} …"):
        return asyncio.run(Probe(account, provider, api_key, timeout).test(model))


def ask_target(target: Target, api_key: str | None, timeout: float) -> Result:
    with _progress(f"asking {target.name} …"):
        return asyncio.run(Probe(target.account, target.provider, api_key, timeout).ask(target.dialect, target.model))


def _progress(text: str) -> Status | nullcontext[None]:
    """Show on a terminal that something is awaited; nothing elsewhere."""
    shown = console(err=True)
    return shown.status(text) if shown.is_terminal else nullcontext()
