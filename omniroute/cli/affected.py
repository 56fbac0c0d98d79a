"""Which combos a change touches: told to whoever makes the change."""

from collections.abc import Callable, Sequence

from omniroute.cli.output import say
from omniroute.errors import GatewayError
from omniroute.routing.config import Account, Config
from omniroute.routing.plan import Target, plan


def targets_of(combo: str, config: Config) -> Sequence[Target]:
    """Give who could serve `combo` now; nobody, when none of its models can be resolved any more."""
    try:
        return plan(combo, config, client=None).targets
    except GatewayError:
        return ()


def combos_using(config: Config, chosen: Callable[[Account], bool]) -> list[str]:
    return [name for name in config.combos if any(chosen(target.account) for target in targets_of(name, config))]


def tell_combos(names: Sequence[str], config: Config) -> None:
    for name in names:
        left = len(targets_of(name, config))
        rest = f"{left} target{'s' if left > 1 else ''} left" if left else "nothing left that can serve it"
        say(f"The combo {name!r} used it: {rest}.")
