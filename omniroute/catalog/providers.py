"""The catalog of providers, one row each, and the construction of nodes.

A row lists commonly used models; any other id after the prefix is passed on unchanged, so that a new model needs no
update here. Further facts about them come from `models` and `pricing`.
"""

import re
from collections.abc import Mapping, Sequence

from omniroute.catalog.endpoints import check_base_url
from omniroute.catalog.provider import Auth, DialectName, Model, Provider, Quirks

type Paths = dict[DialectName, str]

CHAT: Paths = {"openai": "/chat/completions"}
RESPONSES: Paths = {"responses": "/responses"}
MESSAGES: Paths = {"claude": "/messages"}
GEMINI: Paths = {"gemini": "/models/{model}:{verb}"}

CLAUDE_VERSION = {"anthropic-version": "2023-06-01"}

COUNTS_UNASKED = Quirks(stream_usage=False)
"""For providers that always report usage in streams, and may refuse the option as an unknown field."""
KEEPS_STATE = Quirks(keeps_state=True)
"""OpenAI and xAI keep replies for 30 days; OpenRouter calls its own Responses API stateless.
(https://developers.openai.com/api/docs/guides/conversation-state,
https://docs.x.ai/developers/model-capabilities/text/generate-text,
https://openrouter.ai/docs/api/reference/responses/overview)"""


def _models(*models: str | Model) -> tuple[Model, ...]:
    return tuple(Model(model) if isinstance(model, str) else model for model in models)


def _text(*names: str) -> tuple[Model, ...]:
    """Build models that are known to accept no images."""
    return tuple(Model(name, images=False) for name in names)


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        "openai", "openai", "OpenAI", "https://api.openai.com/v1", CHAT | RESPONSES, quirks=KEEPS_STATE,
        models=_models(
            "gpt-6.1-sol", "gpt-6-sol", "gpt-6-luna", "gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5.3-codex", "gpt-5.2",
            Model("gpt-5", max_output=128_000), Model("gpt-5-mini", max_output=128_000),
            Model("gpt-5-nano", max_output=128_000), Model("gpt-4.1", max_output=32_768),
            Model("gpt-4.1-mini", max_output=32_768), Model("gpt-4o", max_output=16_384),
            Model("gpt-4o-mini", max_output=16_384), Model("gpt-4-turbo", max_output=4_096),
            Model("o1", max_output=100_000), Model("o1-mini", max_output=65_536, images=False, tools=False),
            Model("o3", max_output=100_000),
            Model("o4-mini", max_output=100_000),
        ),
    ),
    Provider(
        "anthropic", "anthropic", "Anthropic", "https://api.anthropic.com/v1", MESSAGES,
        auth="x-api-key", headers=CLAUDE_VERSION,
        models=_models(
            "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5", "claude-sonnet-5",
            "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6", "claude-sonnet-4-6",
            Model("claude-opus-4-5", max_output=64_000), Model("claude-sonnet-4-5", max_output=64_000),
            Model("claude-haiku-4-5", max_output=64_000), Model("claude-opus-4-1", max_output=32_000),
            Model("claude-opus-4-20250514", max_output=32_000), Model("claude-sonnet-4-20250514", max_output=64_000),
            Model("claude-3-5-sonnet-20241022", max_output=8_192),
        ),
        # Spellings of OpenRouter and Copilot.
        renamed={
            "claude-sonnet-4.5": "claude-sonnet-4-5", "claude-haiku-4.5": "claude-haiku-4-5",
            "claude-opus-4.5": "claude-opus-4-5", "claude-opus-4.1": "claude-opus-4-1",
            "claude-opus-4.6": "claude-opus-4-6", "claude-sonnet-4.6": "claude-sonnet-4-6",
        },
    ),
    Provider(
        "gemini", "gemini", "Google Gemini", "https://generativelanguage.googleapis.com/v1beta", GEMINI,
        auth="x-goog-api-key",
        models=_models(
            "gemini-3.8-flash", "gemini-3.7-flash", "gemini-3.5-flash", "gemini-3.5-flash-lite",
            "gemini-3.1-pro-preview", "gemini-3-flash-preview",
            Model("gemini-2.5-pro", max_output=65_536), Model("gemini-2.5-flash", max_output=65_536),
            Model("gemini-2.5-flash-lite", max_output=65_536),
        ),
    ),
    Provider(
        "openrouter", "openrouter", "OpenRouter", "https://openrouter.ai/api/v1", CHAT | MESSAGES | RESPONSES,
        headers={"X-Title": "OmniRoute"}, models=_models("auto"),
    ),
    Provider(
        "deepseek", "ds", "DeepSeek", "https://api.deepseek.com/v1",
        CHAT | {"claude": "https://api.deepseek.com/anthropic/v1/messages"},
        models=_models(
            "deepseek-flash", "deepseek-v4-pro", "deepseek-v4-flash", *_text("deepseek-chat", "deepseek-reasoner"),
        ),
        renamed={"deepseek-coder": "deepseek-chat"},
    ),
    Provider(
        "groq", "groq", "Groq", "https://api.groq.com/openai/v1", CHAT,
        models=_models(
            *_text("llama-3.3-70b-versatile", "llama-3.1-8b-instant"),
            "meta-llama/llama-4-maverick-17b-128e-instruct",
            *_text("qwen/qwen3-32b", "openai/gpt-oss-120b", "openai/gpt-oss-20b", "moonshotai/kimi-k2-instruct"),
        ),
    ),
    Provider(
        "xai", "xai", "xAI", "https://api.x.ai/v1", CHAT | RESPONSES, quirks=KEEPS_STATE,
        models=_models("grok-4.7", "grok-4.6", "grok-4", "grok-4-fast-reasoning", "grok-code-fast-1", "grok-3"),
    ),
    Provider(
        "mistral", "mistral", "Mistral", "https://api.mistral.ai/v1", CHAT, quirks=COUNTS_UNASKED,
        models=_models(
            "mistral-large-latest", "mistral-medium-latest", "mistral-small-latest", *_text("codestral-latest"),
        ),
    ),
    Provider(
        "perplexity", "pplx", "Perplexity", "https://api.perplexity.ai", CHAT, quirks=COUNTS_UNASKED,
        models=tuple(
            Model(name, tools=False) for name in ("sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research")
        ),
        renamed={
            "llama-3.1-sonar-small-128k-online": "sonar", "llama-3.1-sonar-large-128k-online": "sonar-pro",
            "sonar-reasoning": "sonar-reasoning-pro",
        },
    ),
    Provider(
        "together", "together", "Together AI", "https://api.together.xyz/v1", CHAT,
        models=_models(
            "meta-llama/Llama-3.3-70B-Instruct-Turbo", "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
            "deepseek-ai/DeepSeek-R1", "Qwen/Qwen3-235B-A22B", "moonshotai/Kimi-K3", "zai-org/GLM-5.3",
        ),
    ),
    Provider(
        "fireworks", "fireworks", "Fireworks AI", "https://api.fireworks.ai/inference/v1", CHAT,
        models=_models(
            "accounts/fireworks/models/deepseek-v3p1", "accounts/fireworks/models/llama-v3p3-70b-instruct",
            "accounts/fireworks/models/qwen3-235b-a22b", "accounts/fireworks/models/kimi-k3",
        ),
    ),
    Provider(
        "cerebras", "cerebras", "Cerebras", "https://api.cerebras.ai/v1", CHAT,
        models=_models(
            *_text("gpt-oss-120b"), "qwen-3.8-27b", "zai-glm-4.7", *_text("llama-3.3-70b"),
            "llama-4-scout-17b-16e-instruct", *_text("qwen-3-235b-a22b-instruct-2507", "qwen-3-32b"),
        ),
    ),
    Provider(
        "cohere", "cohere", "Cohere", "https://api.cohere.ai/compatibility/v1", CHAT,
        models=_text("command-a-03-2025", "command-r-plus-08-2024", "command-r-08-2024"),
    ),
    Provider(
        "nvidia", "nvidia", "NVIDIA NIM", "https://integrate.api.nvidia.com/v1", CHAT,
        models=_models(
            "moonshotai/kimi-k2.5", "z-ai/glm4.7",
            *_text("deepseek-ai/deepseek-v3.2", "nvidia/llama-3.3-70b-instruct"),
        ),
    ),
    Provider(
        "glm", "glm", "GLM (Z.ai)", "https://api.z.ai/api/anthropic/v1", MESSAGES,
        auth="x-api-key", headers=CLAUDE_VERSION,
        models=_models(
            "glm-5.3", "glm-5.3-flash", "glm-5.2", "glm-4.7", "glm-4.7-flash",
            *_text("glm-4.6"), "glm-4.6v", *_text("glm-4.5"), "glm-4.5v", *_text("glm-4.5-air", "glm-4-32b"),
        ),
    ),
    Provider(
        "minimax", "minimax", "MiniMax", "https://api.minimax.io/anthropic/v1", MESSAGES,
        auth="x-api-key", headers=CLAUDE_VERSION, models=_models("MiniMax-M3", "MiniMax-M2.7", "MiniMax-M2.1"),
    ),
    Provider(
        "kimi", "kimi", "Kimi (Moonshot AI)", "https://api.moonshot.ai/v1",
        CHAT | {"claude": "https://api.moonshot.ai/anthropic/v1/messages"},
        models=_models("kimi-k3", "kimi-k2.6", "kimi-k2.5", "kimi-k2.5-thinking", "kimi-latest"),
    ),
)  # fmt: skip

_BY_NAME = {provider.id: provider for provider in PROVIDERS} | {provider.prefix: provider for provider in PROVIDERS}

_NODES: Mapping[DialectName, tuple[Paths, Auth, Mapping[str, str]]] = {
    "openai": (CHAT, "bearer", {}),
    "responses": (RESPONSES, "bearer", {}),
    "claude": (MESSAGES, "x-api-key", CLAUDE_VERSION),
    "gemini": (GEMINI, "x-goog-api-key", {}),
}

_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def find(prefix_or_id: str, nodes: Sequence[Provider]) -> Provider | None:
    """Return the provider with a prefix or id; a node hides a catalog row of the same name."""
    return next((node for node in nodes if node.prefix == prefix_or_id), None) or _BY_NAME.get(prefix_or_id)


def node(prefix: str, dialect: DialectName, base_url: str, name: str | None = None) -> Provider:
    """Build the provider of a node. Raises ValueError when the prefix or the URL is invalid."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"a prefix is letters, digits, '.', '_' and '-', at most 64 of them, not {prefix!r}")
    if dialect not in _NODES:
        raise ValueError(f"there is no dialect {dialect!r}; there are {', '.join(_NODES)}")
    paths, auth, headers = _NODES[dialect]
    return Provider(prefix, prefix, name or prefix, check_base_url(base_url), paths, auth, headers, node=True)
