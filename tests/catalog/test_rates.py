"""The arithmetic of prices, against the price library's own and against each dialect's way of counting."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog import price_library
from omniroute.catalog.pricing import ALL_MODELS, Price, Rate, Rates, cost, expected, rates
from omniroute.catalog.providers import PROVIDERS, find, node
from omniroute.dialects.ir import Usage
from omniroute.dialects.registry import DIALECTS

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPENAI = find("openai", ())
MINE = node("mine", "openai", "http://127.0.0.1:1")
ALL = Price(input=10, output=20, cache_read=1, cache_write=12, reasoning=30)
tokens = st.integers(0, 400_000)


@given(st.sampled_from(PROVIDERS), st.data(), tokens, tokens, tokens, tokens, tokens)
def test_it_adds_up_as_the_price_library_does(row, data, fresh, read, written, said, thought) -> None:
    from genai_prices import Usage as Counted

    known = price_library.priced(row)
    if known is None:
        return
    model = data.draw(st.sampled_from(known.models)).id
    found = known.find_model(model)
    listed = vars(found.get_prices(AT)) if found else {}
    if listed.get("input_mtok") is None or listed.get("output_mtok") is None:
        return
    counted = Counted(
        input_tokens=fresh + read + written,
        output_tokens=said + thought,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_reasoning_tokens=thought,
    )
    theirs = float(found.calc_price(counted, known, genai_request_timestamp=AT).total_price)
    ours = cost(row, model, Usage(fresh + read + written, said + thought, read, written, thought), AT)
    assert ours == pytest.approx(theirs)


@given(tokens, tokens, tokens, tokens, tokens)
def test_each_token_is_counted_once(fresh, read, written, said, thought) -> None:
    paid = Rates().under(ALL).cost(Usage(fresh + read + written, said + thought, read, written, thought))
    by_hand = (fresh * 10 + read * 1 + written * 12 + said * 20 + thought * 30) / 1_000_000
    assert paid == pytest.approx(by_hand)
    flat = Rates(Rate(2.0), Rate(2.0))
    assert flat.cost(Usage(fresh + read + written, said + thought, read, written, thought)) == pytest.approx(
        2 * (fresh + read + written + said + thought) / 1_000_000
    ), "with one price for all, only the number of tokens counts"


# 700 fresh, 200 from the cache, 100 into it (where the dialect knows that); 50 said, 30 thought.
OPENAI_USAGE = {"prompt_tokens": 1000, "completion_tokens": 80, "total_tokens": 1080}
REPLIES = {
    "openai": {
        "choices": [{"message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
        "usage": OPENAI_USAGE
        | {
            "prompt_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
    },
    "responses": {
        "id": "r",
        "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}],
        "usage": {
            "input_tokens": 1000,
            "input_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 100},
            "output_tokens": 80,
            "output_tokens_details": {"reasoning_tokens": 30},
            "total_tokens": 1080,
        },
    },
    "claude": {
        "type": "message",
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 700,
            "cache_read_input_tokens": 200,
            "cache_creation_input_tokens": 100,
            "output_tokens": 80,
            "output_tokens_details": {"thinking_tokens": 30},
        },
    },
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 900,
            "toolUsePromptTokenCount": 100,
            "cachedContentTokenCount": 200,
            "candidatesTokenCount": 50,
            "thoughtsTokenCount": 30,
            "totalTokenCount": 1080,
        },
    },
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialects_own_numbers_cost_the_same(dialect: str) -> None:
    usage = DIALECTS[dialect].read_whole(REPLIES[dialect]).usage
    written = 0 if dialect == "gemini" else 100  # Gemini has no number for that: it is fresh input there
    by_hand = (800 - written) * 10 + 200 * 1 + written * 12 + 50 * 20 + 30 * 30
    assert cost(MINE, "m", usage, AT, {("mine", "m"): ALL}) == pytest.approx(by_hand / 1_000_000)


def test_reasoning_that_a_provider_counts_apart_is_added_once() -> None:
    apart = REPLIES["openai"] | {
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "total_tokens": 1080,
            "completion_tokens_details": {"reasoning_tokens": 30},
        }
    }
    usage = DIALECTS["openai"].read_whole(apart).usage
    assert cost(MINE, "m", usage, AT, {("mine", "m"): ALL}) == pytest.approx((10_000 + 1000 + 900) / 1_000_000)


def test_what_is_set_for_a_model_goes_before_its_provider_and_that_before_the_library() -> None:
    usage = Usage(1_000_000, 1_000_000)
    assert cost(OPENAI, "gpt-4o", usage, AT) == pytest.approx(12.5)
    wide = {("openai", ALL_MODELS): Price(output=1)}
    assert cost(OPENAI, "gpt-4o", usage, AT, wide) == pytest.approx(3.5), "the input is the library's"
    exact = wide | {("openai", "gpt-4o"): Price(input=7)}
    assert cost(OPENAI, "gpt-4o", usage, AT, exact) == pytest.approx(8)
    assert cost(OPENAI, "gpt-4o[1m]", usage, AT, exact) == pytest.approx(8)
    assert expected(OPENAI, "gpt-4o", 1_000_000, 1_000_000, AT, exact) == pytest.approx(8)
    assert expected(MINE, "m", 1_000_000, 0, AT, {("mine", "m"): Price(input=7, output=0)}) == pytest.approx(7)


def test_half_a_price_is_unknown_and_zero_is_known() -> None:
    assert cost(MINE, "m", Usage(5, 5), AT, {("mine", "m"): Price(input=7)}) is None
    assert expected(MINE, "m", 5, 5, AT, {("mine", "m"): Price(input=7)}) is None
    assert cost(MINE, "m", Usage(5, 5), AT, {("mine", "m"): Price(input=0, output=0)}) == 0.0
    assert cost(MINE, "m", Usage(5, 5), AT) is None


def test_tiers_hold_for_the_whole_request_and_a_set_price_has_none() -> None:
    google = find("gemini", ())
    tiered = rates(google, "gemini-2.5-pro", AT).input
    assert tiered is not None
    [(start, dearer)] = tiered.tiers
    assert tiered.base < dearer
    assert cost(google, "gemini-2.5-pro", Usage(start + 1, 0), AT) == pytest.approx((start + 1) * dearer / 1e6)
    assert cost(google, "gemini-2.5-pro", Usage(start, 0), AT) == pytest.approx(start * tiered.base / 1e6)
    said = {("gemini", "gemini-2.5-pro"): Price(input=1)}
    assert cost(google, "gemini-2.5-pro", Usage(start + 1, 0), AT, said) == pytest.approx((start + 1) / 1e6)
