"""Choice of the network proxy for commands that send requests to providers.

The rules are the gateway's, with the environment variables of this shell.
"""

import os
from collections.abc import Mapping

from omniroute.catalog.providers import find
from omniroute.config.model import Config, Place
from omniroute.netproxy.env_proxies import read_environment
from omniroute.netproxy.proxy_url import Proxy
from omniroute.routing.proxy_choice import ProxyChoice, choose_proxy, opened
from omniroute.routing.target import Target


def way_to(target: Target, config: Config) -> ProxyChoice:
    """Choose the network proxy for a target."""
    return choose_proxy(target, config, read_environment(os.environ))


def proxy_for(target: Target, config: Config, proxies: Mapping[Place, Proxy]) -> Proxy | None:
    """Choose the network proxy for a target, including its credentials; None is a direct connection."""
    return opened(way_to(target, config), proxies)


def label_of(place: Place, config: Config) -> str:
    """Format a place for text output, adding an account's provider and name to its id."""
    level, ref = place
    account = next((each for each in config.accounts if level == "account" and each.id == ref), None)
    if account is None:
        return ref
    known = find(account.provider, config.nodes)
    return f"{account.id} ({known.prefix if known else account.provider}, {account.name!r})"
