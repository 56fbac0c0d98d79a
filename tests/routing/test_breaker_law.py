"""A breaker before many exchanges at once, with a clock that only the test moves."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.config.resilience_profiles import ResilienceProfile
from omniroute.routing.failures import Judgement
from omniroute.routing.health import Health, HealthKey

BROKE = Judgement("server", "account", trips=True)
PROFILE = ResilienceProfile(failures=3, recovery=30.0)
BOX = HealthKey("a", "box", "m")
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 1.0, 10.0, 29.0, 31.0]),
        st.sampled_from(["come", "come", "ok", "fail", "fail", "leave"]),
        st.integers(0, 7),
    ),
    max_size=80,
)


@dataclass
class World:
    """Exchanges that come, and end in one of three ways."""

    now: float = 1000.0
    health: Health = field(default_factory=Health)
    began: dict[str, float] = field(default_factory=dict)
    failed: float = 0.0
    """When the last failure was counted."""
    probe: str | None = None
    """Who was let in at a half-open breaker, and has not ended."""

    @property
    def state(self) -> str:
        breaker = self.health.snapshot().breakers.get(("account", "a"))
        return breaker.state(self.now) if breaker else "CLOSED"

    def come(self, exchange: str) -> bool:
        if self.health.cooldown(BOX, self.now):
            return False
        if self.state == "HALF_OPEN":
            self.probe = exchange
        self.health.attempt_started(exchange, BOX, self.now)
        self.began[exchange] = self.now
        return True

    def end(self, exchange: str, how: str) -> None:
        began = self.began.pop(exchange)
        self.probe = None if self.probe == exchange else self.probe
        match how:
            case "ok":
                self.health.attempt_succeeded(exchange, BOX, began=began)
            case "leave":
                self.health.attempt_abandoned(exchange, BOX)
            case _:
                before = self.health._breakers.get(("account", "a"))
                self.health.attempt_failed(
                    exchange, BOX, BROKE, PROFILE, began=began, now=self.now, dice=0.0, hint=None, why="it broke"
                )
                if self.health._breakers.get(("account", "a")) is not before:
                    self.failed = self.now


@given(STEPS)
@settings(max_examples=400)
def test_open_lets_nobody_in_half_open_one_at_a_time_and_closed_everybody(steps) -> None:
    world = World()
    for seconds, what, number in steps:
        world.now += seconds
        exchange, state, probe = f"x{number}", world.state, world.probe
        if what == "come":
            if exchange in world.began:
                continue
            let_in = world.come(exchange)
            match state:
                case "CLOSED":
                    assert let_in
                case "OPEN":
                    assert not let_in
                case _:
                    assert let_in == (probe is None), "a half-open breaker is tried by one, and by one only"
        elif exchange in world.began:
            tried, before, began = exchange == probe, world.state, world.began[exchange]
            world.end(exchange, what)
            if what == "ok":
                shows = began >= world.failed
                assert world.state == ("CLOSED" if shows else before), "an older answer leaves it as it is"
            elif what == "leave":
                assert world.state == before
            elif tried and before == "HALF_OPEN":
                assert world.state == "OPEN", "the probe has failed"


@given(STEPS)
def test_nobody_is_shut_out_for_ever(steps) -> None:
    world = World()
    for seconds, what, number in steps:
        world.now += seconds
        if what == "come":
            if f"x{number}" not in world.began:
                world.come(f"x{number}")
        elif f"x{number}" in world.began:
            world.end(f"x{number}", what)
    for exchange in list(world.began):
        world.end(exchange, "leave")
    world.now += PROFILE.recovery
    assert world.come("last")
    world.end("last", "ok")
    assert world.health.all_healthy
    assert not world.health._probes
