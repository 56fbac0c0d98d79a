import subprocess
import sys

import pytest
from cases import every

from omniroute.catalog.endpoints import check_base_url, endpoint
from omniroute.catalog.models import facts, known_models
from omniroute.catalog.providers import PROVIDERS, find, node

ASKED = ["openai", "anthropic", "gemini", "openrouter", "deepseek", "groq", "xai", "mistral", "perplexity"]
ASKED += ["together", "fireworks", "cerebras", "cohere", "nvidia", "glm", "minimax", "kimi"]


def test_every_provider_has_its_row_once() -> None:
    assert [row.id for row in PROVIDERS] == ASKED
    names = [name for row in PROVIDERS for name in {row.id, row.prefix}]
    assert len(names) == len(set(names))


@every("row", PROVIDERS, ids=lambda row: row.id)
def test_a_row_holds_together(row) -> None:
    assert check_base_url(row.base_url) == row.base_url
    assert row.base_url.startswith("https://")
    assert row.paths
    assert all(("{" in path) == (dialect == "gemini") for dialect, path in row.paths.items())
    assert row.models
    assert len({model.id for model in row.models}) == len(row.models)
    assert not row.node
    if next(iter(row.paths)) == "claude":
        assert row.auth == "x-api-key"
        assert row.headers["anthropic-version"] == "2023-06-01"
    else:
        assert row.auth == ("x-goog-api-key" if "gemini" in row.paths else "bearer")


@every(
    ("provider", "dialect", "url"),
    [
        ("openai", "openai", "https://api.openai.com/v1/chat/completions"),
        ("openai", "responses", "https://api.openai.com/v1/responses"),
        ("anthropic", "claude", "https://api.anthropic.com/v1/messages"),
        ("cohere", "openai", "https://api.cohere.ai/compatibility/v1/chat/completions"),
        ("groq", "openai", "https://api.groq.com/openai/v1/chat/completions"),
        ("pplx", "openai", "https://api.perplexity.ai/chat/completions"),
        ("fireworks", "openai", "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("glm", "claude", "https://api.z.ai/api/anthropic/v1/messages"),
        ("minimax", "claude", "https://api.minimax.io/anthropic/v1/messages"),
        ("kimi", "openai", "https://api.moonshot.ai/v1/chat/completions"),
        ("kimi", "claude", "https://api.moonshot.ai/anthropic/v1/messages"),
        ("ds", "claude", "https://api.deepseek.com/anthropic/v1/messages"),
        ("openrouter", "claude", "https://openrouter.ai/api/v1/messages"),
        (
            "gemini",
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent?alt=sse",
        ),
    ],
)
def test_the_real_addresses(provider, dialect, url) -> None:
    assert endpoint(find(provider, ()), dialect, base_url=None, model="m", stream=True) == url


def test_a_provider_is_found_by_prefix_and_id_and_a_node_comes_first() -> None:
    assert find("ds", ()) is find("deepseek", ())
    assert find("nobody", ()) is None
    mine = node("ds", "openai", "http://127.0.0.1:1")
    assert find("ds", (mine,)) is mine
    assert find("deepseek", (mine,)) is not mine


@pytest.mark.parametrize(
    ("dialect", "auth"),
    [("openai", "bearer"), ("responses", "bearer"), ("claude", "x-api-key"), ("gemini", "x-goog-api-key")],
)
def test_a_node_speaks_one_dialect(dialect, auth) -> None:
    made = node("box", dialect, "http://127.0.0.1:11434/")
    assert (made.id, made.prefix, made.name, made.auth, made.node) == ("box", "box", "box", auth, True)
    assert list(made.paths) == [dialect]
    assert made.base_url == "http://127.0.0.1:11434"
    assert ("anthropic-version" in made.headers) == (dialect == "claude")
    assert known_models(made) == ()


@every("prefix", ["", "a/b", "a b", "-a", "ü", "a" * 65, "a\n"])
def test_a_bad_prefix_is_refused(prefix) -> None:
    with pytest.raises(ValueError, match="prefix"):
        node(prefix, "openai", "http://127.0.0.1:1")


def test_a_node_of_an_unknown_dialect_or_a_bad_url_is_refused() -> None:
    with pytest.raises(ValueError, match="no dialect 'soap'"):
        node("box", "soap", "http://127.0.0.1:1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="http://"):
        node("box", "openai", "127.0.0.1:1")


@every("row", PROVIDERS, ids=lambda row: row.id)
def test_the_models_of_the_row_come_first_and_none_twice(row) -> None:
    known = known_models(row)
    assert [model.id for model in known[: len(row.models)]] == [model.id for model in row.models]
    assert len({model.id for model in known}) == len(known)
    assert all(model.max_output == ours.max_output for model, ours in zip(known, row.models, strict=False))
    assert known_models(row) is known
    assert all(model.context for model in known[len(row.models) :])


def test_models_have_the_facts_of_the_library() -> None:
    models = {model.id: model for model in known_models(find("openai", ()))}
    assert models["gpt-4o"].context == 128_000
    assert models["gpt-4o"].max_output == 16_384
    assert "o3-mini" in models
    assert not any("realtime" in id_ or "audio" in id_ or "embedding" in id_ for id_ in models)
    claude = {model.id: model for model in known_models(find("anthropic", ()))}
    assert claude["claude-sonnet-4-20250514"].context == 200_000
    assert "claude-sonnet-4-0" not in claude, "the same model by another name"
    fireworks = {model.id for model in known_models(find("fireworks", ()))}
    assert all(id_.startswith("accounts/fireworks/models/") for id_ in fireworks)
    assert all("/" in model.id and ":" not in model.id for model in known_models(find("openrouter", ()))[1:])


def test_the_price_library_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, omniroute.catalog.models, omniroute.catalog.pricing, omniroute.routing.resolve;"
        "sys.exit('genai_prices' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_how_long_an_answer_may_be_is_told_of_known_models_only() -> None:
    row = find("openai", ())
    assert (row.max_output("gpt-4o"), row.max_output("gpt-4o-of-tomorrow")) == (16_384, None)


@every(
    ("name", "model", "images", "tools"),
    [
        ("openai", "gpt-4o", None, None),
        ("openai", "o1-mini", False, False),
        ("deepseek", "deepseek-chat", False, None),
        ("perplexity", "sonar", None, False),
        ("glm", "glm-4.6", False, None),
        ("glm", "glm-4.6v", None, None),
    ],
)
def test_what_a_model_is_known_not_to_take(name: str, model: str, images: bool | None, tools: bool | None) -> None:
    found = facts(next(row for row in PROVIDERS if row.id == name), model)
    assert found
    assert (found.images, found.tools) == (images, tools)


def test_names_that_were_given_up_lead_to_models_of_the_row() -> None:
    for row in PROVIDERS:
        listed = {model.id for model in row.models}
        assert set(row.renamed.values()) <= listed, row.id
        assert not set(row.renamed) & listed, row.id
