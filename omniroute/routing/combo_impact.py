"""Which combos a configuration change affects, to report with the change."""

from collections.abc import Callable, Mapping, Sequence

from omniroute.config.model import Account, Config
from omniroute.errors import GatewayError
from omniroute.routing.plan import Target, plan


def targets_of(combo: str, config: Config) -> Sequence[Target]:
    """Return the targets that could serve `combo` now; empty when none of its models can be resolved any more."""
    try:
        return plan(combo, config, client=None).targets
    except GatewayError:
        return ()


def combos_using(config: Config, chosen: Callable[[Account], bool]) -> list[str]:
    return [name for name in config.combos if any(chosen(target.account) for target in targets_of(name, config))]


def combos_by_account(config: Config) -> Mapping[str, list[str]]:
    """Return the names of the combos that each account could serve, by account id."""
    found: dict[str, list[str]] = {}
    for name in config.combos:
        for account in dict.fromkeys(target.account.id for target in targets_of(name, config)):
            found.setdefault(account, []).append(name)
    return found
