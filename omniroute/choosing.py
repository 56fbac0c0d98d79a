"""What choosing remembers between requests, and the one place where plans are made for live ones."""

import random
from collections.abc import Callable
from datetime import UTC, datetime

from omniroute.dialects.needs import Needs
from omniroute.exchange import Asked, Exchange
from omniroute.routing.affinity import Affinity, conversation
from omniroute.routing.config import Config
from omniroute.routing.judge import CLIENTS_OWN
from omniroute.routing.known import by_catalog, by_user
from omniroute.routing.loads import Loads
from omniroute.routing.names import Names
from omniroute.routing.plan import Plan, Target, plan
from omniroute.routing.strategies import Seen
from omniroute.routing.turns import Turns

NEUTRAL = ("client_gone", "unable")
"""Kinds of failures that say nothing about an account."""


class Choosing:
    """Turns, loads and conversations. Clocks and dice are arguments, so that tests can throw them."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.turns = Turns()
        self.changed: Callable[[], None] = lambda: None
        """Called when there is something to be saved."""
        self._loads = Loads()
        self._affinity = Affinity()
        self._clock, self._wall, self._dice = clock, wall, dice

    def plan(self, exchange: Exchange, needs: Needs, *, with_catalog: bool) -> Plan:
        """Plan a request; `with_catalog` once the price library is loaded, which no request waits for."""
        config = exchange.config
        seen = Seen(self.turns, lambda account: self._loads.load(account, self._clock()))
        known = by_user(config, seen, self._dice)
        if with_catalog:
            known = by_catalog(config, seen, self._dice, datetime.fromtimestamp(self._wall(), UTC))
        if config.rules.affinity:
            owner = exchange.key.id if exchange.key else ""
            exchange.conversation = conversation(owner, exchange.model, exchange.headers, exchange.body)
        made = plan(
            exchange.model,
            config,
            client=exchange.dialect,
            key=exchange.key,
            needs=needs,
            known=known,
            stay=self._affinity.stay(exchange.conversation, self._clock()),
            alone=exchange.claimed is not None and exchange.claimed.provider is not None,
        )
        if made.targets:
            self._come_to(exchange, made.targets[0])
        return made

    def _come_to(self, exchange: Exchange, target: Target) -> None:
        """Let the combos that lead to a target have had their turn, each once for a request.

        What a request never comes to keeps its turn: else a combo that is asked every other time, as by a
        combo that takes turns itself, would show every other of its models only.
        """
        new = [combo for combo, _ in target.way.path if combo not in exchange.came_to]
        exchange.came_to.update(new)
        self.turns.taken(new)

    def began(self, exchange: Exchange, target: Target) -> None:
        """Note that a target is being asked."""
        self._come_to(exchange, target)
        self.turns.asked(target.provider.id, target.account.id, self._wall())
        self.turns.led(target.way.path)
        self._loads.began(target.account.id)
        self.changed()

    def ended(self, exchange: Exchange, asked: Asked) -> None:
        """Note what came of an attempt; once, however often it is told."""
        if not asked.counted:
            return
        asked.counted = False
        target, failure = asked.target, asked.attempt.failure
        if failure is None:  # nobody has seen it fail, but it may have been ended before it could answer
            failed = None if asked.attempt.content_at is None else False
        else:
            failed = None if failure.kind in NEUTRAL or failure.status in CLIENTS_OWN else True
        self._loads.ended(target.account.id, failed=failed, now=self._clock())
        if failed:
            self._affinity.released(exchange.conversation, target.account.id)
        elif failed is False:
            self._affinity.served(exchange.conversation, (target.account.id, target.name), self._clock())

    def keep(self, config: Config, before: Config) -> None:
        """Forget the turns of what is set up no more, and let combos that have been changed begin anew."""
        names = Names.of(config)
        accounts = [account.id for account in config.accounts]
        accounts += [account.id for node in config.nodes for account in names.accounts(node)]
        self.turns.keep(accounts, {name for name in config.combos if _same(name, config, before)})
        self.changed()


def _same(combo: str, now: Config, before: Config) -> bool:
    """Tell whether a combo orders the same models in the same way: only then do its counts mean what they did."""
    one, other = now.combos[combo], before.combos.get(combo)
    return one == other and (one.strategy is not None or now.rules.combo_strategy == before.rules.combo_strategy)
