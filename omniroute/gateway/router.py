"""Routing state across requests (health, rate limits, latencies, affinity), and planning of live requests."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from omniroute.config.model import Config
from omniroute.dialects.requirements import Needs
from omniroute.errors import Exhausted
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.routing.admission_queue import Admission
from omniroute.routing.affinity import Affinity, session_key
from omniroute.routing.attempt_policy import feature_flag
from omniroute.routing.failures import Judgement, judge
from omniroute.routing.health import Health, health_key
from omniroute.routing.hedging import HedgeBudget, LatencyKey, LatencyTracker
from omniroute.routing.model_index import ModelIndex
from omniroute.routing.plan import ExcludedTarget, Plan, Target, plan
from omniroute.routing.rate_limits import InFlight
from omniroute.routing.retry_after import ratelimit_reset
from omniroute.routing.strategies import Resting, RoutingState, no_cooldowns
from omniroute.routing.strategy_state import StrategyState
from omniroute.routing.target import by_catalog, by_user
from omniroute.routing.target_recheck import recheck


class Router:
    """Plan requests, and learn from their attempts. Clocks and `dice` are arguments, so that tests can set them."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.turns = StrategyState()
        self.changed: Callable[[], None] = lambda: None
        """Called when there is new state to be saved."""
        self.health = Health()
        self._loads = InFlight()
        self.admission = Admission(self._loads, clock)
        self.admission.changed = lambda: self.changed()
        self._paces, self._share = LatencyTracker(), HedgeBudget()
        self._affinity = Affinity()
        self._clock, self._wall, self._dice = clock, wall, dice
        self._reset: tuple[float, tuple[str, ...]] = (0.0, ())

    def restore(self, turns: StrategyState, health: Health, config: Config) -> None:
        """Take over saved strategy counters and health, and the limits of the configuration."""
        self.turns, self.health = turns, health
        self._reset = config.rules.reset
        self.admission.set(config.limits)

    def limited(self, shut: Mapping[tuple[str, str], float], begun: Mapping[str, Sequence[float]]) -> None:
        """Restore provider rate limits (`shut`: (account, model) -> end) and admission times per account (`begun`).

        Both are in seconds of the epoch.
        """
        passed = self._clock() - self._wall()
        for account, times in begun.items():
            self.admission.limits.take_up(account, [at + passed for at in times])
        for (account, model), until in shut.items():
            if until > self._wall():
                self.admission.learn(account, model, until - self._wall())

    def plan(self, exchange: Exchange, needs: Needs, *, with_catalog: bool) -> Plan:
        """Plan a request. `with_catalog` is whether the price library is loaded, which no request waits for."""
        config = exchange.config
        now = self._wall()
        seen = self._seen(config, now)
        if with_catalog:
            known = by_catalog(config, seen, self._dice, datetime.fromtimestamp(now, UTC))
        else:
            known = by_user(config, seen, self._dice)
        if config.rules.affinity:
            owner = exchange.key.id if exchange.key else ""
            exchange.conversation = session_key(owner, exchange.model, exchange.headers, exchange.body)
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
        exchange.health_seen = self.health.revision
        if made.targets:
            self._come_to(exchange, made.targets[0])
        return made

    def embedding(self, name: str, config: Config) -> tuple[Target, ...]:
        """Return the available targets of an embedding model, in order. All share model and base URL.

        Raises BadRequest when the name is unknown, and Exhausted when no target is available.
        """
        known = by_user(config, self._seen(config, self._wall()), self._dice)
        made = plan(name, config, client="openai", known=known)
        found = [target for target in made.targets if target.not_before is None]
        if not found:
            why = "; ".join(f"{left.name}: {left.reason}" for left in made.excluded)
            raise Exhausted(f"no target of {name!r} can be asked now{f': {why}' if why else ''}")
        return tuple(target for target in found if _embeds_as(target) == _embeds_as(found[0]))

    def _seen(self, config: Config, now: float) -> RoutingState:
        return RoutingState(self.turns, self._load, self._rest(now) if config.rules.cooldowns else no_cooldowns, now)

    def _load(self, account: str) -> float:
        return self._loads.load(account, self._clock())

    def _rest(self, now: float) -> Resting:
        """Return the cooldown lookup; while all targets are healthy, the common case, it looks up nothing."""
        return no_cooldowns if self.health.all_healthy else lambda *asked: self.health.cooldown(health_key(*asked), now)

    def recheck(self, exchange: Exchange) -> list[tuple[Target, ExcludedTarget]]:
        """Check the remaining targets of an exchange against cooldowns that began after it was planned.

        Return those that were dropped, each with its reason; the others remain, in the order to be tried.
        """
        rules, health = exchange.config.rules, self.health
        if not rules.cooldowns or health.revision == exchange.health_seen:
            return []
        exchange.health_seen = health.revision
        now, last = self._wall(), exchange.last
        repeats = bool(last and exchange.remaining and exchange.remaining[0] is last.target)
        exchange.remaining, left = recheck(
            exchange.remaining,
            lambda target: health.cooldown(health_key(target.provider, target.account, target.model), now),
            now=now,
            patience=rules.cooldown_wait,
            repeats=repeats,
        )
        exchange.left += [each for _, each in left]
        return left

    def _come_to(self, exchange: Exchange, target: Target) -> None:
        """Advance the turn counters of the combos on the path to a target, each once per request.

        Combos that the request never reaches keep their turn. Otherwise a nested combo that is reached every other
        time, as under a round-robin combo, would select only every other of its models.
        """
        new = [combo for combo, _ in target.path.path if combo not in exchange.combos_used]
        exchange.combos_used.update(new)
        self.turns.advance(new)

    def attempt_started(self, exchange: Exchange, asked: AttemptRecord) -> None:
        """Record the start of an attempt."""
        target, asked.in_flight, asked.at, asked.began = asked.target, True, self._wall(), self._clock()
        self._come_to(exchange, target)
        self.health.attempt_started(exchange.id, health_key(target.provider, target.account, target.model), asked.at)
        self.turns.record_call(target.provider.id, target.account.id, asked.at)
        self.turns.counter(target.path.path)
        if asked.admitted_at is None:
            self.admission.limits.begin(target.account.id, self._clock())
        self.changed()

    def hedge_after(self, exchange: Exchange, target: Target) -> float | None:
        """Return the seconds after which a hedge may be started for this target; None for never."""
        rules = exchange.config.rules
        if not feature_flag("hedge", target, rules).enabled:
            return None
        if not exchange.attempts_made:
            self._share.add_request(rules.hedge.share)
        if exchange.hedge or exchange.broken or not exchange.remaining:
            return None
        late = self._paces.threshold(_whose(exchange, target))
        return None if late is None else max(late, rules.hedge.least)

    def hedge_targets(
        self, exchange: Exchange, late: AttemptRecord, targets: Iterable[Target]
    ) -> tuple[Target, float] | None:
        """Admit the exchange at the first of `targets` with free capacity, if the hedge budget allows; else None."""
        now = self._wall()
        ready = [
            target
            for target in targets
            if target.account.id != late.target.account.id
            and (target.not_before or 0.0) <= now
            and self.health.ready(health_key(target.provider, target.account, target.model), now)
            and self.admission.room_for(target)
        ]
        return self.admission.admit(ready) if ready and self._share.try_acquire() else None

    def attempt_ended(self, exchange: Exchange, asked: AttemptRecord) -> None:
        """Record the outcome of an attempt; further calls for the same attempt do nothing."""
        if not asked.in_flight:
            return
        asked.in_flight = False
        if not asked.limits_read:
            self.learn(asked)
        target, failure = asked.target, asked.attempt.failure
        judgement = judge(failure) if failure else None
        if failure is None:  # no failure, but it may have been cancelled before its first content
            failed = None if asked.attempt.content_at is None else False
        else:
            failed = None if judgement is None or judgement.neutral else True
        self._pace(exchange, asked, failed)
        self._note(exchange, asked, judgement, failed)
        if failure and failure.stale and asked.admitted_at is not None:
            self.admission.limits.take_back(target.account.id, asked.admitted_at)
        now, began = self._clock(), asked.began
        self._loads.ended(target.account.id, failed=failed, now=now, began=began)
        self.admission.ended(target.account.id)
        if failed:
            self._affinity.released(exchange.conversation, target.account.id, now)
        elif failed is False:
            self._affinity.served(exchange.conversation, (target.account.id, target.name), now, began=began)

    def _pace(self, exchange: Exchange, asked: AttemptRecord, failed: bool | None) -> None:
        """Record the time to first content, or a lower bound of it where the attempt was cancelled for being slow."""
        attempt, said_at = asked.attempt, asked.attempt.content_at if failed is False else None
        if attempt.failure and attempt.failure.kind == "hedged" and asked.hedge_delay is None:
            said_at = attempt.ended
        if said_at is not None:
            self._paces.add(_whose(exchange, asked.target), said_at - attempt.started)

    def served(self, exchange: Exchange) -> None:
        """Read the rate-limit headers as soon as the client gets the response, as its stream may last long."""
        if (asked := exchange.served) and not asked.limits_read:
            self.learn(asked)

    def learn(self, asked: AttemptRecord) -> None:
        """Read from a response's headers when its provider allows the next request."""
        head, asked.limits_read = asked.attempt.upstream, True
        if head is None or not any(b"ratelimit" in name.lower() for name, _ in head.headers.fields):
            return
        if wait := ratelimit_reset(head.headers, self._wall()):
            self.admission.learn(asked.target.account.id, asked.target.model, wait)

    def _note(self, exchange: Exchange, asked: AttemptRecord, judgement: Judgement | None, failed: bool | None) -> None:
        """Record an outcome in the health of the attempt's provider, account and model."""
        target, failure = asked.target, asked.attempt.failure
        who = health_key(target.provider, target.account, target.model)
        if failed is False:
            self.health.attempt_succeeded(exchange.id, who, began=asked.at)
        elif failure is None or judgement is None or judgement.neutral:
            self.health.attempt_abandoned(exchange.id, who)
        else:
            profile = exchange.config.rules.resilience.profile(target.provider, target.account.base_url)
            now = self._wall()
            hint, why = failure.retry_after, failure.label
            self.health.attempt_failed(
                exchange.id, who, judgement, profile, began=asked.at, now=now, dice=self._dice(), hint=hint, why=why
            )
        self.changed()

    def busy(self) -> dict[str, int]:
        """Return the number of exchanges in flight per account, for accounts that have any."""
        return self._loads.all()

    def retry(self, accounts: Iterable[str], model: str) -> int:
        """Clear the cooldown of a model at some accounts; return how many of them had one."""
        many = self.health.clear(("model", account, model) for account in accounts)
        self.changed()
        return many

    def forget(self, provider: str, account: str) -> None:
        """Drop all state of an account that existed for one request only."""
        self.health.reset((provider, account))
        self.admission.forget((account,))
        self.turns.forget(account)
        self.changed()

    def keep(self, config: Config, before: Config) -> None:
        """Drop the state of removed accounts, nodes and changed combos, and apply requested resets."""
        if config.rules.reset != self._reset:
            self._reset = config.rules.reset
            self.health.reset(config.rules.reset[1] or None)
            self.admission.forget(config.rules.reset[1] or None)
        self.admission.set(config.limits)
        accounts = {*ModelIndex.of(config).everybody()}
        self.admission.keep(accounts)
        self._paces.retain(accounts)
        self.turns.keep(accounts, {name for name in config.combos if _same(name, config, before)})
        nodes_gone = {node.id for node in before.nodes} - {node.id for node in config.nodes}
        if gone := (ModelIndex.of(before).everybody().keys() - accounts) | nodes_gone:
            self.health.reset(gone)
        self.changed()


def _embeds_as(target: Target) -> tuple[str, str | None]:
    return target.name, target.account.base_url


def _whose(exchange: Exchange, target: Target) -> LatencyKey:
    return target.account.id, target.model, exchange.stream


def _same(combo: str, now: Config, before: Config) -> bool:
    """Return whether a combo orders the same models by the same strategy: only then are its counters still valid."""
    one, other = now.combos[combo], before.combos.get(combo)
    return one == other and (one.strategy is not None or now.rules.combo.strategy == before.rules.combo.strategy)
