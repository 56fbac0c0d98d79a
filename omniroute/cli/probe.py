"""Probes of providers; imported only by commands that use it, as the HTTP libraries are slow to import."""

import asyncio
from contextlib import nullcontext

from rich.status import Status

from omniroute.catalog.provider import Provider
from omniroute.cli.output import console
from omniroute.config.model import Account
from omniroute.netproxy.proxy_url import Proxy
from omniroute.routing.plan import Target
from omniroute.upstream.probe import Probe, ProbeResult
from omniroute.upstream.public_ip import PublicIp, fetch_public_ip


def test_account(
    account: Account, provider: Provider, api_key: str | None, model: str | None, timeout: float, proxy: Proxy | None
) -> ProbeResult:
    with _progress(f"asking {provider.name} …"):
        return asyncio.run(Probe(account, provider, api_key, timeout, proxy=proxy).test(model))


def ask_target(target: Target, api_key: str | None, timeout: float, proxy: Proxy | None) -> ProbeResult:
    with _progress(f"asking {target.name} …"):
        probe = Probe(target.account, target.provider, api_key, timeout, proxy=proxy)
        return asyncio.run(probe.ask(target.dialect, target.model))


def seen_through(proxy: Proxy | None, service: str, timeout: float) -> PublicIp:
    with _progress(f"asking {service} …"):
        return asyncio.run(fetch_public_ip(service, proxy, timeout))


def _progress(text: str) -> Status | nullcontext[None]:
    """Return a context that shows a spinner on a terminal, and nothing elsewhere."""
    shown = console(err=True)
    return shown.status(text) if shown.is_terminal else nullcontext()
