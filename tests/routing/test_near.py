import time

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.routing.suggestions import close_matches

KNOWN = ["fast", "openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-opus-4-6", "groq/openai/gpt-oss-120b"]


@every(
    ("name", "first"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("openai/gpt4o", "openai/gpt-4o"),
        ("GPT-4O-MINI", "openai/gpt-4o-mini"),
        ("claude-opus-4.6", "anthropic/claude-opus-4-6"),
        ("openia/gpt-oss-120b", "groq/openai/gpt-oss-120b"),
        ("fsat", "fast"),
    ],
)
def test_what_was_meant_comes_first(name, first) -> None:
    assert close_matches(name, KNOWN)[0] == first


def test_what_is_far_is_not_offered() -> None:
    assert close_matches("zzz", KNOWN) == []
    assert close_matches("gpt-4o", []) == []


@given(st.text(max_size=600), st.lists(st.text(max_size=60), max_size=60))
def test_at_most_five_of_the_known_each_once(name, known) -> None:
    found = close_matches(name, known)
    assert len(found) <= 5
    assert len(set(found)) == len(found)
    assert set(found) <= set(known)
    assert found == close_matches(name, known)


def test_two_thousand_alike_names_hold_nobody_up() -> None:
    known = [f"provider{i % 20}/model-family-{i}-instruct" for i in range(2000)]
    times = []
    for _ in range(3):
        before = time.process_time()
        assert close_matches("provider3/model-famly-33-instruct", known)[0].endswith("family-33-instruct")
        times.append(time.process_time() - before)
    assert min(times) < 0.5
