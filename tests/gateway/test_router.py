"""What is remembered from one live request to the next."""

from collections import Counter
from dataclasses import replace

import pytest

from omniroute.catalog.provider import Model
from omniroute.catalog.providers import node
from omniroute.config.deadlines import Deadlines
from omniroute.config.model import Account, Chain, Combo, Config
from omniroute.config.settings import ComboDefaults, Settings
from omniroute.dialects.hub import Whole
from omniroute.dialects.requirements import Needs
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.router import Router
from omniroute.mitm.ports import Attempt
from omniroute.routing.endpoints import claim
from omniroute.routing.failures import Failure
from omniroute.routing.plan import Target

UP = node("up", "openai", "http://127.0.0.1:1")
DEFAULT = Settings(cooldowns=False)
"""Who has failed is planned as before: these tests are about turns."""
ACCOUNTS = tuple(Account(name, "up", name) for name in "abc")
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]


@pytest.fixture
def choosing() -> Router:
    return Router(clock=lambda: 1000.0, wall=lambda: 0.0, dice=lambda: 0.0)


def exchange(config: Config, model: str, path: str = "/v1/chat/completions", **body) -> Exchange:
    made = Exchange("id", 0.0, 0.0, "openai", path, "", (), config, claimed=claim("POST", path))
    made.model, made.body = model, {"messages": [{"role": "user", "content": "hi"}], **body}
    return made


def plan(choosing: Router, asking: Exchange) -> list[str]:
    asking.plan = choosing.plan(asking, Needs(asking.body), with_catalog=False)
    return [target.name for target in asking.plan.targets]


def ask(choosing: Router, asking: Exchange, target: Target, failure: Failure | None, content: bool = False) -> None:
    """Ask one target, up to the end that its attempt came to."""
    attempt = Attempt({}, Deadlines(), None, lambda raw: Whole(raw), last=True)
    attempt.failure, attempt.content_at = failure, 1.0 if content else None
    asked = AttemptRecord(target, attempt)
    choosing.attempt_started(asking, asked)
    for _ in range(2):
        choosing.attempt_ended(asking, asked)


def combos(**listed: tuple[str, ...]) -> dict[str, Combo]:
    return {name: Combo(name, models, "round-robin") for name, models in listed.items()}


def firsts(choosing: Router, config: Config, model: str, times: int, failing: tuple[str, ...] = ()) -> list[str]:
    """Ask so often, and give what was asked last each time."""
    found = []
    for _ in range(times):
        asking = exchange(config, model)
        plan(choosing, asking)
        assert asking.plan
        for target in asking.plan.targets:
            fails = target.model in failing
            ask(choosing, asking, target, Failure("connect", "no") if fails else None, content=not fails)
            if not fails:
                break
        found.append(target.model)
    return found


def test_turns_within_turns_come_to_every_model(choosing: Router) -> None:
    nested = combos(outer=("one", "two"), one=("up/a", "up/b"), two=("up/c", "up/d"))
    config = Config(nodes=(UP,), rules=DEFAULT, combos=nested)
    assert "".join(firsts(choosing, config, "outer", 8)) == "acbdacbd"


def test_a_combo_that_is_listed_twice_takes_one_turn(choosing: Router) -> None:
    nested = combos(outer=("left", "right"), left=("inner",), right=("inner",), inner=("up/a", "up/b"))
    config = Config(nodes=(UP,), rules=DEFAULT, combos=nested)
    assert "".join(firsts(choosing, config, "outer", 4)) == "abab"


def test_a_combo_that_is_come_to_after_a_failure_takes_its_turn(choosing: Router) -> None:
    nested = combos(inner=("up/a", "up/b")) | {"outer": Combo("outer", ("up/x", "inner"))}
    config = Config(nodes=(UP,), rules=DEFAULT, combos=nested)
    assert "".join(firsts(choosing, config, "outer", 3, failing=("x",))) == "aba"
    assert set(firsts(choosing, config, "outer", 3)) == {"x"}
    assert "".join(firsts(choosing, config, "outer", 1, failing=("x",))) == "b", "nobody came to it meanwhile"


def test_the_route_of_one_provider_goes_nowhere_else(choosing: Router) -> None:
    config = Config(
        nodes=(UP,), rules=DEFAULT, combos={"up/a": Combo("up/a", ("up/z",))}, chains=(Chain("last", ("up/y",)),)
    )
    assert plan(choosing, exchange(config, "up/a")) == ["up/z", "up/y"]
    assert plan(choosing, exchange(config, "up/a", "/v1/providers/up/chat/completions")) == ["up/a"]


def test_what_the_user_said_of_a_model_counts_before_the_catalog_is_there(choosing: Router) -> None:
    config = Config(nodes=(UP,), rules=DEFAULT, models={"up": (Model("blind", images=False),)})
    assert plan(choosing, exchange(config, "up/blind")) == ["up/blind"]
    assert plan(choosing, exchange(config, "up/blind", messages=PICTURE)) == []


@pytest.mark.parametrize(
    ("failure", "content", "load", "stays"),
    [
        (None, True, 0.0, True),
        (None, False, 0.0, False),
        (Failure("client_gone", "left"), False, 0.0, False),
        (Failure("unable", "cannot"), False, 0.0, False),
        (Failure("status", "bad", status=400), False, 0.0, False),
        (Failure("status", "busy", status=429), False, 10.0, False),
        (Failure("cut", "cut"), True, 10.0, False),
    ],
)
def test_every_end_is_the_end(choosing: Router, failure: Failure | None, content, load, stays) -> None:
    config = Config(nodes=(UP,), rules=DEFAULT, accounts=ACCOUNTS)
    asking = exchange(config, "up/m", prompt_cache_key="s")
    plan(choosing, asking)
    assert asking.plan
    ask(choosing, asking, asking.plan.targets[1], failure, content)
    assert choosing._loads.load("b", 1000.0) == load
    again = exchange(config, "up/m", prompt_cache_key="s")
    plan(choosing, again)
    assert again.plan
    assert (again.plan.targets[0].account.id == "b") == stays


def test_parallel_requests_see_each_other(choosing: Router) -> None:
    config = Config(nodes=(UP,), rules=DEFAULT, combos=combos(mix=("up/a", "up/b", "up/c", "up/d")))
    asked: Counter = Counter()
    for _ in range(32):  # none of them has ended yet
        asking = exchange(config, "mix")
        asked[plan(choosing, asking)[0]] += 1
        assert asking.plan
        attempt = Attempt({}, Deadlines(), None, lambda raw: Whole(raw), last=True)
        choosing.attempt_started(asking, AttemptRecord(asking.plan.targets[0], attempt))
    assert set(asked.values()) == {8}


def test_a_combo_that_is_changed_begins_anew(choosing: Router) -> None:
    def config(models: tuple[str, ...], rules: Settings = DEFAULT, **fields) -> Config:
        mix = {"mix": Combo("mix", models, "least-used"), "plain": Combo("plain", models)}
        return Config(nodes=(UP,), combos=mix, rules=rules, **fields)

    def asked() -> list[int]:
        return [choosing.turns.turn(name) for name in ("mix", "plain")]

    first = config(("up/a", "up/b"))
    for name in ("mix", "plain"):
        firsts(choosing, first, name, 8)
    choosing.keep(same := config(("up/a", "up/b"), revision=2), first)
    assert asked() == [8, 8]
    choosing.keep(other := config(("up/a", "up/b"), replace(DEFAULT, combo=ComboDefaults("least-used"))), same)
    assert asked() == [8, 0], "what goes by the setting for all is ordered in another way now"
    choosing.keep(more := config(("up/a", "up/b", "up/c"), other.rules), other)
    assert asked() == [0, 0]
    assert "".join(firsts(choosing, more, "mix", 6)) == "abcabc", "the new one need not catch up"
    choosing.keep(Config(nodes=(UP,)), more)
    assert asked() == [0, 0]


def test_nothing_is_held_against_who_is_gone(choosing: Router) -> None:
    accounts = (Account("a", "up", "a"), Account("b", "up", "b"))
    config = Config(accounts=accounts, nodes=(UP,), rules=Settings(cooldowns=True))
    for account in "ab":
        asking = exchange(replace(config, accounts=(Account(account, "up", account),)), "up/m")
        plan(choosing, asking)
        assert asking.plan
        ask(choosing, asking, asking.plan.targets[0], Failure("status", "401 no", status=401))
    assert len(choosing.health.snapshot().cooling) == 2
    choosing.keep(replace(config, accounts=accounts[1:]), config)
    assert [key[1] for key in choosing.health.snapshot().cooling] == ["b"]
    choosing.keep(Config(), replace(config, accounts=accounts[1:]))
    assert not choosing.health.snapshot().cooling
