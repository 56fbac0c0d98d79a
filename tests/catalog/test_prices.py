from datetime import UTC, datetime

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog import price_library
from omniroute.catalog.pricing import cost
from omniroute.catalog.providers import PROVIDERS, find, node
from omniroute.dialects.ir import Usage

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def price(provider, model, at=AT, **usage) -> float | None:
    return cost(find(provider, ()), model, Usage(**usage), at)


def test_every_row_is_in_the_library_or_known_not_to_be() -> None:
    assert {row.id for row in PROVIDERS} - price_library.NAMES.keys() == {"nvidia"}
    assert price_library.NAMES.keys() <= {row.id for row in PROVIDERS}
    assert all(price_library.priced(row) for row in PROVIDERS if row.id != "nvidia")


@every("row", [row for row in PROVIDERS if row.id not in ("nvidia", "openrouter")], ids=lambda r: r.id)
def test_every_provider_has_a_model_with_a_price(row) -> None:
    prices = [cost(row, model.id, Usage(input=1000, output=1000), AT) for model in row.models]
    assert any(price is not None and 0 < price < 1 for price in prices)


def test_a_plain_reply() -> None:
    # 2.50 and 10 USD a million
    assert price("openai", "gpt-4o", input=1_000_000, output=100_000) == pytest.approx(3.5)


def test_what_the_cache_gave_is_part_of_the_input() -> None:
    # 600 at 2.50, 400 at 1.25, 100 at 10
    assert price("openai", "gpt-4o", input=1000, output=100, cache_read=400) == pytest.approx(0.003)
    # 500 at 3, 400 at 0.30, 100 at 3.75, 100 at 15
    claude = price("anthropic", "claude-sonnet-4-5", input=1000, output=100, cache_read=400, cache_write=100)
    assert claude == pytest.approx(0.003495)


def test_reasoning_is_part_of_the_output() -> None:
    with_it = price("openai", "o1", input=1000, output=100, reasoning=80)
    assert with_it == price("openai", "o1", input=1000, output=100)
    # where it has a price of its own: 1000 at 2, 50 at 8, 50 at 3
    deep = price("perplexity", "sonar-deep-research", input=1000, output=100, reasoning=50)
    assert deep == pytest.approx(0.00255)


@pytest.mark.parametrize(
    ("provider", "model"), [("glm", "glm-4.7"), ("kimi", "kimi-k2.5"), ("xai", "grok-4"), ("minimax", "MiniMax-M2.1")]
)
def test_providers_that_the_library_calls_otherwise(provider, model) -> None:
    assert price(provider, model, input=1000, output=100)


@pytest.mark.parametrize("usage", [{}, {"input": 5}, {"output": 5}, {"cache_read": 5, "reasoning": 1}])
def test_unknown_usage_has_no_price(usage) -> None:
    assert price("openai", "gpt-4o", **usage) is None


def test_unknown_models_have_no_price() -> None:
    assert price("openai", "gpt-99-nonsense", input=5, output=5) is None
    assert price("nvidia", "moonshotai/kimi-k2.5", input=5, output=5) is None
    assert price("openrouter", "deepcoder-14b-preview:free", input=5, output=5) is None, "listed, but without prices"
    assert price("openai", "whisper-1", input=5, output=5) is None, "sold by the hour"
    assert price("openai", "whisper-1", input=0, output=0) is None


def test_an_embedding_needs_no_price_for_output() -> None:
    assert price("openai", "text-embedding-3-small", input=1000, output=0)
    assert price("openai", "text-embedding-3-small", input=1000, output=1) is None


def test_a_node_has_no_price_even_by_a_known_name() -> None:
    mine = node("openai", "openai", "http://127.0.0.1:1")
    assert cost(mine, "gpt-4o", Usage(input=5, output=5), AT) is None


def test_nothing_used_costs_nothing() -> None:
    assert price("openai", "gpt-4o", input=0, output=0) == 0.0


def test_usage_that_contradicts_itself_has_no_price() -> None:
    assert price("openai", "gpt-4o", input=100, output=5, cache_read=400) is None
    assert price("openai", "gpt-4o", input=-1, output=5) is None


def test_a_time_without_a_zone_is_utc() -> None:
    naive = price("deepseek", "deepseek-chat", at=datetime(2025, 3, 1, 17), input=1000, output=100)
    assert naive == price("deepseek", "deepseek-chat", at=datetime(2025, 3, 1, 17, tzinfo=UTC), input=1000, output=100)


counts = st.none() | st.integers(-5, 10**12)


@given(
    row=st.sampled_from(PROVIDERS),
    model=st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "sonar-deep-research", "kimi-k3", "", "\0", "a/" * 200])
    | st.text(max_size=30),
    usage=st.builds(Usage, counts, counts, counts, counts, counts),
    at=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1)),
)
def test_it_never_raises_and_is_never_negative(row, model, usage, at) -> None:
    price = cost(row, model, usage, at)
    assert price is None or price >= 0
    if usage.input is None or usage.output is None:
        assert price is None


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.sampled_from([("openai", "gpt-4o"), ("anthropic", "claude-haiku-4-5")]),
)
def test_a_cache_hit_is_never_dearer(fresh, cached, which) -> None:
    provider, model = which
    hit = price(provider, model, input=fresh + cached, output=10, cache_read=cached)
    miss = price(provider, model, input=fresh + cached, output=10)
    assert hit is not None
    assert miss is not None
    assert hit <= miss
