"""Which names are listed, and in which order."""

from omniroute.catalog.providers import node
from omniroute.config.model import Account, Combo, Config
from omniroute.routing.model_list import list_models


def test_combos_come_first_then_known_models_then_what_combos_say_of_nodes() -> None:
    config = Config(
        accounts=(Account("a", "openai", "main"), Account("b", "groq", "off", enabled=False)),
        nodes=(node("local", "openai", "http://127.0.0.1:1/v1"),),
        combos={
            "coder": Combo("coder", ("openai/gpt-4o", "local/qwen3", "groq/llama-3.1-8b-instant", "gone/m")),
            "plain": Combo("plain", ("local/qwen3",)),
        },
    )
    names = [one.id for one in list_models(config)]
    assert names[:2] == ["coder", "plain"]
    assert names[-1] == "local/qwen3"
    assert names.count("openai/gpt-4o") == names.count("local/qwen3") == 1
    assert not any(name.startswith(("groq/", "gone/")) for name in names), "what cannot be asked is not offered"
    facts = {one.id: one for one in list_models(config)}
    assert facts["openai/gpt-4o"].context
    assert facts["openai/gpt-4o"].owner == "openai"
