"""Whatever happens to who leads and who waits: one leads at a time, and nobody is left waiting."""

from dataclasses import replace

from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from omniroute.cache.answer import BESIDE, CachedAnswer, pack, unpack
from omniroute.cache.response_cache import ResponseCache
from omniroute.cache.single_flight import Flight
from omniroute.config.settings import CacheSettings, IdempotencySettings, Settings

RULES = Settings()
ANSWER = CachedAnswer(1.0, "openai", b"{}")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock) -> ResponseCache:
    return ResponseCache(clock=clock, wall=clock)


def answer(at: float, size: int = 0, bucket: str = "") -> CachedAnswer:
    return CachedAnswer(at, "openai", b"x" * size, bucket=bucket, vector=b"v" * 8 if bucket else b"")


steps = st.lists(st.sampled_from(["come", "answered", "failed", "leave"]), max_size=30)


@given(st.sampled_from(["cache", "idempotency"]), steps)
def test_one_leads_and_nobody_is_forgotten(kind: str, done: list[str]) -> None:
    replays = made(Clock())
    rules = replace(RULES, idempotency=replace(RULES.idempotency, window=0.0))
    woken: list[int] = []
    leads: dict[int, Flight] = {}  # who -> the flight that they lead
    waits: dict[int, Flight] = {}
    for number, step in enumerate(done):
        match step:
            case "come":
                flight = replays.flight(kind, "k")  # type: ignore[arg-type]
                if flight is None:
                    assert not leads
                    leads[number] = replays.lead(kind, "k", "m", number)  # type: ignore[arg-type]
                else:
                    waits[number] = flight
                    flight.waiting[number] = lambda number=number: woken.append(number)  # type: ignore[misc]
            case "leave" if waits:
                gone = next(iter(waits))
                waits.pop(gone).waiting.pop(gone)
            case "answered" | "failed" if leads:
                (who, flight), before = leads.popitem(), [*waits]
                woken.clear()
                replays.end(flight, ANSWER if step == "answered" else None, rules)
                if step == "answered":
                    assert woken == before, "all who wait hear of it, in the order of coming"
                    assert flight.answer is ANSWER
                    waits.clear()
                elif before:
                    assert woken == before[:1], "the next one leads, and nobody else is woken"
                    assert flight.leader == before[0] != who
                    leads[before[0]] = waits.pop(before[0])
        assert len(leads) <= 1
        assert not waits or leads, "who waits waits for somebody"
        assert (replays.flight(kind, "k") is None) is not bool(leads)  # type: ignore[arg-type]


@given(st.floats(0, 20), st.floats(0.1, 10))
def test_an_answer_is_given_again_for_the_window_and_no_longer(passed: float, window: float) -> None:
    clock = Clock()
    replays, rules = made(clock), Settings(idempotency=IdempotencySettings(window=window))
    flight = replays.lead("idempotency", "k", "m", 1)
    replays.end(flight, ANSWER, rules)
    clock.now += passed
    found = replays.flight("idempotency", "k")
    assert (found is not None) is (flight.until > clock.now)
    assert replays.flight("cache", "k") is None


kept = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3), st.sampled_from(["", "p", "q"])), max_size=30)


@given(kept, st.integers(0, 4), st.integers(0, 3))
@effort(max_examples=60)
def test_what_is_kept_keeps_to_its_limits_and_is_found_by_both_ways(
    done: list[tuple[str, int, str]], entries: int, sizes: int
) -> None:
    clock = Clock()
    replays = made(clock)
    disk: set[str] = set()
    replays.saved = lambda key, answer: disk.add(key)
    replays.gone = disk.difference_update
    most = sizes * (BESIDE + 8 + 2)
    rules = Settings(cache=CacheSettings(entries=entries, bytes=most, ttl=10.0))
    for key, size, bucket in done:
        clock.now += 1
        replays.keep(key, answer(clock.now, size, bucket), rules)
        held = [name for name in "abcdefgh" if name in replays._answers]
        assert {*held} == disk
        assert len(held) <= entries
        assert replays._answers.bytes <= most
        alike = [key for bucket in ("p", "q") for key, _ in replays.similar(bucket, rules)]
        assert len(alike) == len({*alike})
        assert {*alike} <= disk
        assert not replays.similar("", rules)
    clock.now += 10.0
    assert not any(replays.similar(bucket, rules) for bucket in ("p", "q")), "all of them are too old"
    assert not any(replays.find(key, rules) for key in "abcdefgh")
    assert not disk
    assert not len(replays._alike)


def test_what_is_cleared_is_gone_by_both_ways_and_stays_away() -> None:
    clock = Clock()
    replays = made(clock)
    replays.keep("a", answer(clock.now, bucket="p"), RULES)
    cleared = Settings(cache=CacheSettings(cleared=clock.now))
    replays.follow(cleared, RULES)
    assert not replays.similar("p", cleared)
    replays.keep("a", answer(clock.now, bucket="p"), cleared)
    assert replays.find("a", cleared) is None
    clock.now += 1
    replays.keep("a", answer(clock.now, bucket="p"), cleared)
    assert [key for key, _ in replays.similar("p", cleared)] == ["a"]


def test_what_was_saved_is_found_by_both_ways_and_is_no_newer_than_what_is_known() -> None:
    clock = Clock()
    before = made(clock)
    disk: dict[str, bytes] = {}
    before.saved = lambda key, answer: disk.update({key: pack(answer)})
    for key in "ab":
        before.keep(key, answer(clock.now, 3, "p"), RULES)
    after = made(clock)
    newer = answer(clock.now, 5, "q")
    after.keep("a", newer, RULES)
    after.load([(key, unpack(content)) for key, content in disk.items()], RULES)
    assert [key for key, _ in after.similar("p", RULES)] == ["b"]
    assert after.find("a", RULES) == newer
    assert after.find("b", RULES) == before.find("b", RULES)
