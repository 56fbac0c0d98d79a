import dataclasses
import time

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.provider import Model
from omniroute.catalog.providers import PROVIDERS, find, node
from omniroute.config.model import Account, Combo, Config
from omniroute.errors import BadRequest
from omniroute.routing.resolve import resolve


def account(provider, name="main", **fields) -> Account:
    return Account(id=f"{provider}-{name}", provider=provider, name=name, **fields)


def combos(**models) -> dict[str, Combo]:
    return {name: Combo(name, tuple(listed)) for name, listed in models.items()}


def refused(name, config) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        resolve(name, config)
    assert caught.value.param == "model"
    return caught.value


OPENAI = Config(accounts=(account("openai"),))


@every(
    ("name", "provider", "model"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("openai/a-model-of-tomorrow", "openai", "a-model-of-tomorrow"),
        ("ds/deepseek-chat", "deepseek", "deepseek-chat"),
        ("deepseek/deepseek-chat", "deepseek", "deepseek-chat"),
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("fireworks/accounts/fireworks/models/x", "fireworks", "accounts/fireworks/models/x"),
    ],
)
def test_prefix_and_model(name, provider, model) -> None:
    config = Config(accounts=tuple(account(row.id) for row in PROVIDERS))
    found = resolve(name, config)
    assert found.kind == "model"
    assert [(leg.provider.id, leg.model) for leg in found.legs] == [(provider, model)]


def test_the_name_of_a_leg_has_the_prefix() -> None:
    (leg,) = resolve("deepseek/x", Config(accounts=(account("deepseek"),))).legs
    assert leg.name == "ds/x"


def test_a_combo_comes_first() -> None:
    config = dataclasses.replace(OPENAI, combos=combos(**{"openai/gpt-4o": ["openai/o1", "anthropic/x"]}))
    found = resolve("openai/gpt-4o", config)
    assert found.kind == "combo"
    assert found.combo is config.combos["openai/gpt-4o"]
    assert [leg.name for leg in found.legs] == ["openai/o1", "anthropic/x"]


def test_a_node_hides_a_row_and_needs_no_account() -> None:
    config = Config(nodes=(node("openai", "openai", "http://127.0.0.1:1"), node("box", "claude", "http://127.0.0.1:2")))
    assert resolve("openai/x", config).legs[0].provider is config.nodes[0]
    assert resolve("box/a/b", config).legs[0].model == "a/b"


def test_a_combo_outlives_its_providers() -> None:
    config = dataclasses.replace(
        OPENAI, combos=combos(mix=["gone/x", "gpt-4o", "nested", "nothing"], nested=["openai/x"])
    )
    found = resolve("mix", config)
    assert [leg.name for leg in found.legs] == ["openai/gpt-4o", "openai/x"]
    assert [missing.name for missing in found.missing] == ["gone/x", "nothing"]


def test_a_bare_model_of_one_provider() -> None:
    found = resolve("gpt-4o", OPENAI)
    assert found.kind == "bare"
    assert found.legs[0].name == "openai/gpt-4o"
    slashed = resolve("qwen/qwen3-32b", Config(accounts=(account("groq"),)))
    assert slashed.kind == "bare"
    assert slashed.legs[0].name == "groq/qwen/qwen3-32b"


def test_a_bare_model_of_a_node() -> None:
    box = dataclasses.replace(node("box", "openai", "http://127.0.0.1:1"), models=(Model("llama"),))
    assert resolve("llama", Config(nodes=(box,))).legs[0].name == "box/llama"
    silent = Config(nodes=(box,), accounts=(account("box", enabled=False),))
    assert refused("llama", silent).code == "model_not_found"


def test_a_bare_model_of_several_providers_names_them() -> None:
    box = dataclasses.replace(node("box", "openai", "http://127.0.0.1:1"), models=(Model("gpt-4o"),))
    config = dataclasses.replace(OPENAI, nodes=(box,))
    error = refused("gpt-4o", config)
    assert error.code == "model_ambiguous"
    assert "box/gpt-4o, openai/gpt-4o" in error.message
    mix = resolve("mix", dataclasses.replace(config, combos=combos(mix=["gpt-4o"])))
    assert "box/gpt-4o, openai/gpt-4o" in mix.missing[0].reason


def test_a_bare_model_needs_an_enabled_account() -> None:
    assert refused("gpt-4o", Config(accounts=(account("openai", enabled=False),))).code == "model_not_found"


@every(
    ("name", "says"),
    [
        ("gpt-4p", "Near names: openai/gpt-4"),
        ("opnai/something-new", "openai/something-new"),
        ("anthropic/claude-opus-4-6", "`omniroute-ctl provider add anthropic`"),
        ("ds/x", "`omniroute-ctl provider add deepseek`"),
        ("fsat", "fast"),
        ("openai/", "nothing behind its prefix"),
        ("/gpt-4o", "neither a provider nor a node"),
    ],
)
def test_unknown_names_get_help(name, says) -> None:
    error = refused(name, dataclasses.replace(OPENAI, combos=combos(fast=["openai/o1"])))
    assert error.code == "model_not_found"
    assert says in error.message


def test_without_any_account_the_first_step_is_told() -> None:
    assert "`omniroute-ctl provider add PROVIDER`" in refused("gpt-4o", Config()).message


@every("name", ["", "  ", "a\nb", "openai/\x00", "x\x7f", "\x9b", "\ud800", "x" * 513])
def test_what_cannot_be_a_name_is_refused(name) -> None:
    error = refused(name, OPENAI)
    assert error.message.isprintable()
    assert len(error.message) < 200


NAMES = st.text(max_size=30) | st.sampled_from(
    ["openai/gpt-4o", "ds/x", "box/llama", "gpt-4o", "mix", "openai/", "/", "//", "x" * 600, "anthropic/y"]
)
BOX = node("box", "openai", "http://127.0.0.1:1")


@given(
    NAMES,
    st.lists(st.sampled_from(PROVIDERS), unique_by=lambda row: row.id, max_size=4),
    st.lists(NAMES, min_size=1, max_size=5),
    st.booleans(),
)
def test_it_answers_or_says_why_not(name, rows, listed, enabled) -> None:
    config = Config(
        accounts=tuple(account(row.id, enabled=enabled) for row in rows), nodes=(BOX,), combos=combos(mix=listed)
    )
    try:
        found = resolve(name, config)
    except BadRequest as error:
        assert error.param == "model"  # noqa: PT017
        return
    assert found == resolve(name, config)
    if found.kind == "combo":
        assert len(found.legs) + len(found.missing) == len(listed)
    else:
        (leg,) = found.legs
        assert leg.provider is find(leg.provider.prefix, config.nodes)
        assert leg.provider.node or leg.provider in rows
        assert leg.model
        assert name.endswith(leg.model)


def test_it_is_fast_after_the_first_time() -> None:
    config = Config(
        accounts=tuple(account(row.id, str(n)) for row in PROVIDERS for n in range(5)),
        combos=combos(mix=["openai/gpt-4o", "ds/deepseek-chat", "claude-opus-4-6"]),
    )
    resolve("mix", config)
    before = time.process_time()
    for _ in range(300):
        resolve("mix", config)
        resolve("openai/gpt-4o", config)
        resolve("gpt-4o", config)
    assert (time.process_time() - before) / 900 < 0.0005
