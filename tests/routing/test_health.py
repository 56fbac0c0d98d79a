"""Cool-downs and breakers as laws over a clock that the test moves: nothing here sleeps."""

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.providers import PROVIDERS, node
from omniroute.config.resilience_profiles import FIELDS, PROFILES, Resilience, ResilienceProfile
from omniroute.routing.failures import TABLE
from omniroute.routing.health import CLOSED, FORGOTTEN, MOST, Health, HealthKey, recovered, with_cooldown, with_failure

CALM = ResilienceProfile(failures=3, recovery=30.0, base=1.0, rate=10.0, factor=2.0, most=60.0, jitter=0.0)
ONE = HealthKey("a", "p", "m")
OTHER_MODEL, OTHER_ACCOUNT, STRANGER = HealthKey("a", "p", "n"), HealthKey("b", "p", "m"), HealthKey("b", "q", "m")


def fail(
    health: Health,
    cause: str,
    whom: HealthKey = ONE,
    *,
    now: float,
    hint: float | None = None,
    began=None,
    exchange="x",
):
    judgement = TABLE[cause]
    health.attempt_failed(
        exchange,
        whom,
        judgement,
        CALM,
        began=now if began is None else began,
        now=now,
        dice=0.5,
        hint=hint,
        why=cause,
    )


# cool-downs


def test_each_failure_makes_it_longer_up_to_a_cap() -> None:
    cooling, waits = None, []
    for n in range(9):
        now = 1000.0 * n
        cooling = with_cooldown(cooling, TABLE["server"], CALM, began=now, now=now, dice=0.0)
        waits.append(cooling.until - now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_burst_counts_once() -> None:
    health = Health()
    for _ in range(20):
        fail(health, "rate", began=0.0, now=1.0)
    rest = health.cooldown(ONE, 1.0)
    assert rest
    assert rest.until == 11.0
    fail(health, "rate", began=20.0, now=20.0)
    rest = health.cooldown(ONE, 20.0)
    assert rest
    assert rest.until == 40.0


@given(st.floats(0, 1), st.integers(1, 30))
def test_the_dice_only_shorten(dice, times) -> None:
    profile = ResilienceProfile(jitter=0.2)
    cooling = None
    for n in range(times):
        now = 1000.0 * n
        cooling = with_cooldown(cooling, TABLE["server"], profile, began=now, now=now, dice=dice)
        wait = cooling.until - now
        full = min(profile.base * profile.factor**n, profile.most)
        assert 0.8 * full - 1e-6 <= wait <= full + 1e-6


@given(st.floats(0.01, 1e9))
def test_what_the_provider_says_counts(hint) -> None:
    cooling = with_cooldown(None, TABLE["rate"], CALM, began=0.0, now=0.0, dice=0.5, hint=hint)
    assert cooling.provider_named
    assert cooling.until == min(hint, 31 * 86400.0)


def test_a_later_word_of_a_burst_does_not_shorten() -> None:
    health = Health()
    fail(health, "rate", now=0.0, hint=60.0)
    fail(health, "rate", began=-1.0, now=1.0, hint=5.0)
    rest = health.cooldown(ONE, 2.0)
    assert rest
    assert rest.until == 60.0


def test_a_guess_does_not_shorten_what_the_provider_has_said() -> None:
    health = Health()
    fail(health, "rate", now=0.0, hint=60.0)
    fail(health, "server", now=1.0)
    rest = health.cooldown(ONE, 2.0)
    assert rest
    assert (rest.until, rest.not_before) == (60.0, 60.0)


@every(
    ("cause", "resting"),
    [
        ("rate", {ONE}),
        ("server", {ONE}),
        ("missing", {ONE}),
        ("auth", {ONE, OTHER_MODEL}),
        ("quota", {ONE, OTHER_MODEL}),
        ("network", {ONE, OTHER_MODEL, OTHER_ACCOUNT}),
        ("length", set()),
        ("filter", set()),
    ],
)
def test_only_who_is_meant_cools_down(cause, resting) -> None:
    health = Health()
    fail(health, cause, now=0.0)
    found = {whom for whom in (ONE, OTHER_MODEL, OTHER_ACCOUNT, STRANGER) if health.cooldown(whom, 0.0)}
    assert found == resting


def test_an_account_with_an_address_of_its_own_says_nothing_of_its_provider() -> None:
    health = Health()
    fail(health, "network", HealthKey("a", "p", "m", custom_url=True), now=0.0)
    assert health.cooldown(HealthKey("a", "p", "m", custom_url=True), 0.0)
    assert health.cooldown(OTHER_ACCOUNT, 0.0) is None


def test_an_answer_makes_up_for_everything() -> None:
    health = Health()
    for n in range(5):
        fail(health, "server", now=100.0 * n)
    fail(health, "auth", now=500.0)
    health.attempt_succeeded("x", ONE, began=500.0)
    assert health.cooldown(ONE, 500.0) is None
    fail(health, "server", now=1000.0)
    rest = health.cooldown(ONE, 1000.0)
    assert rest
    assert rest.until == 1001.0, "the levels begin anew"


def test_an_older_answer_clears_nothing() -> None:
    health = Health()
    fail(health, "rate", began=5.0, now=10.0, hint=40.0)
    health.attempt_succeeded("slow", ONE, began=9.0)
    rest = health.cooldown(ONE, 18.0)
    assert rest
    assert (rest.until, rest.not_before) == (50.0, 50.0)
    health.attempt_succeeded("new", ONE, began=10.0)
    assert health.cooldown(ONE, 18.0) is None


def test_a_named_time_shows_through_a_longer_guess() -> None:
    health = Health()
    fail(health, "rate", now=0.0, hint=5.0)
    fail(health, "quota", now=0.0)
    rest = health.cooldown(ONE, 1.0)
    assert rest
    assert (rest.cause, rest.not_before) == ("quota", 5.0)
    fail(health, "server", began=2.0, now=3.0)
    kept = health.snapshot().cooling["model", "a", "m"]
    assert (kept.until, kept.provider_named, kept.level) == (5.0, True, 2)


def test_the_longest_reason_is_told() -> None:
    health = Health()
    fail(health, "server", now=0.0)
    fail(health, "quota", now=0.0)
    rest = health.cooldown(ONE, 0.0)
    assert rest
    assert rest.cause == "quota"


def test_what_is_long_over_is_forgotten() -> None:
    health = Health()
    fail(health, "server", now=0.0)
    health.discard(FORGOTTEN)
    assert health.snapshot().cooling
    health.discard(FORGOTTEN + 2)
    assert not health.snapshot().cooling


def test_it_does_not_grow_for_ever() -> None:
    health = Health()
    for number in range(MOST + 1):
        fail(health, "missing", HealthKey("a", "p", f"model {number}"), now=number / 10)
    kept = health.snapshot().cooling
    assert MOST // 2 < len(kept) <= MOST
    assert ("model", "a", f"model {MOST}") in kept, "the newest stays"
    changes = health.changes()
    assert changes
    assert {key for key, cooling in changes.cooling.items() if cooling} == set(kept)


# breakers


def test_enough_failures_open_it_and_one_exchange_tries() -> None:
    health = Health()
    for n in range(3):
        assert not [rest for rest in [health.cooldown(ONE, 100.0 * n + 50)] if rest]
        fail(health, "timeout", now=100.0 * n)
    rest = health.cooldown(OTHER_MODEL, 205.0)
    assert rest
    assert "breaker is open" in rest.reason
    assert rest.until == 230.0
    assert health.cooldown(OTHER_MODEL, 230.0) is None, "half open: one may try"
    health.attempt_started("probe", OTHER_MODEL, 230.0)
    assert health.cooldown(OTHER_MODEL, 231.0), "and one alone"
    health.attempt_succeeded("probe", OTHER_MODEL, began=230.0)
    assert health.cooldown(OTHER_MODEL, 231.0) is None


def test_a_probe_that_fails_opens_it_again() -> None:
    health = Health()
    for n in range(3):
        fail(health, "timeout", now=100.0 * n)
    health.attempt_started("probe", OTHER_MODEL, 230.0)
    fail(health, "timeout", OTHER_MODEL, began=230.0, now=240.0, exchange="probe")
    rest = health.cooldown(HealthKey("a", "p", "k"), 240.0)
    assert rest
    assert rest.until == 270.0


def test_a_probe_whose_client_leaves_is_none() -> None:
    health = Health()
    for n in range(3):
        fail(health, "timeout", now=100.0 * n)
    health.attempt_started("probe", OTHER_MODEL, 230.0)
    health.attempt_abandoned("probe", OTHER_MODEL)
    assert health.cooldown(OTHER_MODEL, 231.0) is None, "another may try"


def test_limits_and_refusals_open_nothing() -> None:
    health = Health()
    for n in range(20):
        for cause in ("rate", "quota", "auth", "missing", "length"):
            fail(health, cause, now=1000.0 * n)
    assert not health.snapshot().breakers


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=40))
def test_a_breaker_is_closed_by_an_answer_and_opened_by_so_many_failures(steps) -> None:
    breaker, now, run = CLOSED, 0.0, 0
    for failed, pause in steps:
        now += pause
        if not failed:
            breaker, run = CLOSED, 0
        else:
            was_half_open = breaker.state(now) == "HALF_OPEN"
            breaker = with_failure(breaker, CALM, began=now, now=now)
            run += 1
            if was_half_open or run >= CALM.failures:
                assert breaker.state(now) == "OPEN"
        if breaker.state(now) == "OPEN":
            assert breaker.state(breaker.until) == "HALF_OPEN"
        assert run > 0 or breaker.state(now) == "CLOSED"


def test_who_was_under_way_when_it_opened_does_not_keep_it_open() -> None:
    breaker = CLOSED
    for _ in range(3):
        breaker = with_failure(breaker, CALM, began=0.0, now=10.0)
    assert with_failure(breaker, CALM, began=5.0, now=35.0) == breaker


def test_an_older_answer_takes_back_one_failure_and_leaves_an_open_breaker() -> None:
    breaker = CLOSED
    for now in (10.0, 20.0):
        breaker = with_failure(breaker, CALM, began=now, now=now)
    assert recovered(breaker, began=15.0).failures == 1
    assert recovered(breaker, began=20.0) == CLOSED
    breaker = with_failure(breaker, CALM, began=30.0, now=30.0)
    assert breaker.state(30.0) == "OPEN"
    assert recovered(breaker, began=29.0) is breaker
    assert recovered(breaker, began=30.0) == CLOSED


def test_few_failures_among_many_overlapping_answers_open_nothing() -> None:
    breaker = CLOSED
    for n in range(1000):
        now = n / 10
        fails = n % 10 == 0
        breaker = with_failure(breaker, CALM, began=now, now=now) if fails else recovered(breaker, began=now - 60.0)
        assert breaker.state(now) == "CLOSED"


def test_a_failure_from_before_the_recovery_does_not_open_it_again() -> None:
    health = Health()
    for n in range(3):
        fail(health, "timeout", now=100.0 * n)
    health.attempt_succeeded("probe", ONE, began=240.0)
    for _ in range(5):
        fail(health, "timeout", began=150.0, now=250.0)
    assert not health.snapshot().breakers
    for _ in range(3):
        fail(health, "timeout", began=240.0, now=251.0)
    assert health.snapshot().breakers["account", "a"].state(251.0) == "OPEN"


# profiles, saving, reset


def test_profiles_and_what_a_provider_has_of_its_own() -> None:
    openai = next(row for row in PROVIDERS if row.id == "openai")
    own = Resilience({"apikey": {"base": 7.0, "failures": 9}, "openai": {"base": 1.5}, "local": {"most": 2.0}})
    assert Resilience().profile(openai) == PROFILES["apikey"]
    assert (own.profile(openai).base, own.profile(openai).failures) == (1.5, 9)
    assert own.profile(node("box", "openai", "http://127.0.0.1:1")).most == 2.0
    assert own.profile(node("far", "openai", "https://llm.example.com")).failures == 9
    assert own.profile(openai, "http://localhost:1/v1").recovery == PROFILES["local"].recovery
    assert own.profile(node("lan", "openai", "http://192.168.1.5:1")).most == 2.0
    assert set(FIELDS) >= {"failures", "recovery", "base", "factor", "most", "jitter"}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["server", "rate", "network", "answer", "wait"]), st.sampled_from([ONE, OTHER_MODEL, STRANGER])
    )
)


@given(STEPS, STEPS)
def test_what_was_saved_goes_on_as_it_was(before, after) -> None:
    health, cooling, breakers = Health(), {}, {}
    now = 0.0

    def take(target: Health, step) -> None:
        what, whom = step
        if what == "answer":
            target.attempt_succeeded("x", whom, began=now)
        elif what != "wait":
            fail(target, what, whom, now=now)

    for step in before:
        now += 7.0
        take(health, step)
        if changes := health.changes():
            cooling |= changes.cooling
            breakers |= changes.breakers
    saved = type(health.snapshot())(
        {key: value for key, value in cooling.items() if value},
        {key: value for key, value in breakers.items() if value},
    )
    assert saved == health.snapshot()
    again = Health(saved)
    for step in after:
        now += 7.0
        take(health, step)
        take(again, step)
        assert [again.cooldown(whom, now) for whom in (ONE, STRANGER)] == [
            health.cooldown(whom, now) for whom in (ONE, STRANGER)
        ]


def test_reset_forgets_everything_or_somebody() -> None:
    health = Health()
    for n in range(3):
        fail(health, "network", now=100.0 * n)
        fail(health, "auth", STRANGER, now=100.0 * n)
    health.reset(["p", "a"])
    assert health.cooldown(ONE, 200.0) is None
    assert health.cooldown(STRANGER, 200.0)
    health.reset()
    assert health.cooldown(STRANGER, 200.0) is None
    assert health.snapshot() == Health().snapshot()
