import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.providers import find, node
from omniroute.config.model import Account, Combo, Config, Key
from omniroute.config.settings import COMBO_STRATEGIES
from omniroute.dialects.hub import translates
from omniroute.errors import BadRequest, Forbidden, GatewayError
from omniroute.routing import plan as planning
from omniroute.routing.plan import plan
from omniroute.routing.resolve import resolve

BOX = node("box", "openai", "http://127.0.0.1:1")
HUT = node("hut", "claude", "http://127.0.0.1:2")
DIALECTS = ["openai", "responses", "claude", "gemini"]


def account(id_, provider, **fields) -> Account:
    return Account(id=id_, provider=provider, name=f"name of {id_}", **fields)


def combo(*models, **fields) -> dict[str, Combo]:
    return {"mix": Combo("mix", models, **fields)}


def key(*allow) -> Key:
    return Key(id="k", name="laptop", digest=b"", allow=allow)


def targets(made) -> list[tuple[str, str]]:
    return [(target.account.id, target.name) for target in made.targets]


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no dialect be translated to any other."""
    monkeypatch.setattr(planning, "translates", lambda client, upstream: client == upstream)


def test_accounts_by_priority_then_as_they_come_legs_as_written() -> None:
    config = Config(
        accounts=(
            account("late", "openai", priority=9),
            account("b", "openai"),
            account("a", "openai"),
            account("c", "anthropic"),
        ),
        combos=combo("openai/gpt-4o", "anthropic/claude-opus-4-6", "box/llama"),
        nodes=(BOX,),
    )
    made = plan("mix", config, client=None)
    assert targets(made) == [
        ("b", "openai/gpt-4o"),
        ("a", "openai/gpt-4o"),
        ("late", "openai/gpt-4o"),
        ("c", "anthropic/claude-opus-4-6"),
        ("node:box", "box/llama"),
    ]
    assert (made.requested, made.kind, made.combo, made.excluded) == ("mix", "combo", "mix", ())
    assert made.targets[-1].account.name == "no key"


def test_each_target_says_why() -> None:
    config = Config(
        accounts=(account("a", "openai", priority=2),), combos=combo("gone/x", "openai/gpt-4o"), nodes=(HUT,)
    )
    assert plan("mix", config, client="openai").targets[0].reason == (
        "model 2 of 2 in mix (priority), account of priority 2 (the only account)"
    )
    assert "asked for by name" in plan("openai/x", config, client=None).targets[0].reason
    assert "known to serve gpt-4o" in plan("gpt-4o", config, client=None).targets[0].reason


def test_a_node_with_accounts_uses_them() -> None:
    config = Config(nodes=(BOX,), accounts=(account("a", "box"), account("off", "box", enabled=False)))
    made = plan("box/x", config, client="openai")
    assert targets(made) == [("a", "box/x")]
    assert [(left.account, left.reason) for left in made.excluded] == [("name of off", "the account is disabled")]


def test_what_cannot_serve_is_left_out_with_a_reason() -> None:
    config = Config(
        accounts=(account("off", "openai", enabled=False), account("on", "deepseek")),
        combos=combo("openai/x", "groq/y", "gone/z", "ds/w", "deepseek/w"),
    )
    made = plan("mix", config, client="openai")
    assert targets(made) == [("on", "ds/w")]
    assert {(left.name, left.account): left.reason for left in made.excluded} == {
        ("gone/z", None): "is no model of any provider that has an account",
        ("openai/x", "name of off"): "the account is disabled",
        ("groq/y", None): "Groq has no account",
        ("ds/w", "name of on"): "is in the plan already",
    }


def test_the_clients_own_dialect_is_preferred() -> None:
    config = Config(accounts=(account("a", "deepseek"), account("b", "openai")))
    spoken = {
        (name, client): plan(name, config, client=client).targets[0].dialect
        for name, client in [("ds/x", "openai"), ("ds/x", "claude"), ("openai/x", "responses"), ("openai/x", None)]
    }
    assert spoken == {
        ("ds/x", "openai"): "openai",
        ("ds/x", "claude"): "claude",
        ("openai/x", "responses"): "responses",
        ("openai/x", None): "openai",
    }


@pytest.mark.usefixtures("mute")
def test_a_dialect_that_cannot_be_translated_is_left_out() -> None:
    config = Config(nodes=(HUT, BOX), combos=combo("hut/x", "box/y"))
    made = plan("mix", config, client="openai")
    assert targets(made) == [("node:box", "box/y")]
    assert made.excluded[0].reason == "speaks claude, cannot answer an openai request yet"
    assert "a claude request" in plan("box/y", config, client="claude").excluded[0].reason
    assert len(plan("mix", config, client=None).targets) == 2


def test_translation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "translates", lambda client, upstream: upstream != "openai")
    made = plan("openai/x", Config(accounts=(account("a", "openai"),)), client="claude")
    assert made.targets[0].dialect == "responses", "the first that can be translated"
    assert made.targets[0].reason.endswith("translated from claude to responses")


def test_a_key_is_checked_by_the_name_that_was_asked_for() -> None:
    config = Config(accounts=(account("a", "openai"),), combos=combo("openai/gpt-4o"))
    assert plan("openai/x", config, client=None, key=key("openai/*")).targets
    assert plan("openai/x", config, client=None, key=key()).targets
    assert plan("mix", config, client=None, key=key("mix")).targets
    for name in ("mix", "gpt-4o", "no-such-model"):
        with pytest.raises(Forbidden, match="'laptop'"):
            plan(name, config, client=None, key=key("openai/*"))
    with pytest.raises(BadRequest):
        plan("a\nb", config, client=None, key=key("openai/*"))


def test_disabled_accounts_give_a_plan_without_targets() -> None:
    made = plan("openai/x", Config(accounts=(account("off", "openai", enabled=False),)), client=None)
    assert made.targets == ()
    assert made.excluded[0].reason == "the account is disabled"


def test_a_strategy_of_a_newer_program_is_an_error_of_ours() -> None:
    config = Config(accounts=(account("a", "openai"),), combos=combo("openai/x", strategy="telepathy"))
    with pytest.raises(GatewayError, match="telepathy") as caught:
        plan("mix", config, client=None)
    assert caught.value.status == 500
    assert "telepathy" not in COMBO_STRATEGIES


ROWS = ["openai", "anthropic", "deepseek", "groq", "box", "hut", "cohere"]
accounts = st.lists(
    st.builds(
        account,
        st.uuids().map(str),
        st.sampled_from(ROWS),
        priority=st.integers(0, 3),
        enabled=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda account: account.id,
).map(tuple)
models = st.lists(
    st.builds("{}/{}".format, st.sampled_from([*ROWS, "ds", "gone", "nvidia"]), st.sampled_from(["a", "b/c", "gpt-4o"]))
    | st.sampled_from(["gpt-4o", "claude-opus-4-6", "nothing", "mix"]),
    min_size=1,
    max_size=6,
)


@given(accounts, models, st.sampled_from([None, *DIALECTS]))
def test_a_plan_is_exactly_the_usable_targets_in_order(accounts, models, client) -> None:
    config = Config(accounts=accounts, nodes=(BOX, HUT), combos=combo(*models))
    made = plan("mix", config, client=client)
    assert made == plan("mix", dataclasses.replace(config), client=client), "pure"

    # all that the combo stands for, written down naively
    resolved = resolve("mix", config)
    wanted: list[tuple[str, str]] = []
    out = [(missing.name, None) for missing in resolved.missing]
    for leg in resolved.legs:
        own = sorted((a for a in accounts if a.provider == leg.provider.id), key=lambda a: a.priority)
        if leg.provider.node and not own:
            own = [Account(f"node:{leg.provider.prefix}", leg.provider.prefix, "no key")]
        out += [] if own else [(leg.name, None)]
        speaks = client is None or any(client == d or translates(client, d) for d in leg.provider.paths)
        for each in own:
            usable = each.enabled and speaks and (each.id, leg.name) not in wanted
            (wanted if usable else out).append((each.id if usable else each.name, leg.name)[:: 1 if usable else -1])
    assert targets(made) == wanted
    assert sorted((left.name, left.account or "") for left in made.excluded) == sorted((n, a or "") for n, a in out)

    assert len(set(targets(made))) == len(made.targets)
    assert all(target.account.enabled and target.reason for target in made.targets)
    assert all(left.reason for left in made.excluded)
    assert all(target.dialect in target.provider.paths for target in made.targets)
    assert all(target.dialect == client for target in made.targets if client in target.provider.paths)


@given(accounts, st.sampled_from([*ROWS, "ds"]), st.sampled_from([None, *DIALECTS]))
def test_a_plan_for_one_model_is_like_that_of_a_combo_of_it(accounts, prefix, client) -> None:
    config = Config(accounts=accounts, nodes=(BOX, HUT), combos=combo(f"{prefix}/m"))
    of_combo = plan("mix", config, client=client)
    provider = find(prefix, config.nodes)
    assert provider is not None
    if not provider.node and not any(account.provider == provider.id for account in accounts):
        with pytest.raises(BadRequest):
            plan(f"{prefix}/m", config, client=client)
        return
    alone = plan(f"{prefix}/m", config, client=client)
    assert targets(alone) == targets(of_combo)
    assert alone.excluded == of_combo.excluded
