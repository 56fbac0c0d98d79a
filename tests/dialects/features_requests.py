"""What requests may say: a row of the table in the docs each, in the order of the table."""

import base64

from features import DIALECTS, HI, Feature
from features_kit import (
    SCHEMA,
    SEAL,
    config,
    each,
    media,
    own_thought,
    sealed_call,
    shown,
    talk,
    text_found,
    thought,
)
from features_talk import CONVERSATION, TOOLS

REASONERS = {"openai": "gpt-5.1", "responses": "gpt-5.1", "claude": "claude-opus-4-6", "gemini": "gemini-3-pro-preview"}
ASKED_OFF = {"claude": "claude-opus-5", "openai": "gpt-5.1", "responses": "gpt-5.1"}

MEDIA = [
    Feature("images as data", each(lambda d: shown(d, media(d, "image")))),
    Feature("images by URL", each(lambda d: shown(d, media(d, "image", url=True)))),
    Feature(
        "how closely to look (`detail`)",
        {
            "openai": shown(
                "openai", {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
            ),
            "responses": shown(
                "responses", {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"}
            ),
        },
    ),
    Feature("PDFs as data", each(lambda d: shown(d, media(d, "document")))),
    Feature("PDFs by URL", each(lambda d: shown(d, media(d, "document", url=True)), "responses", "claude", "gemini")),
    Feature(
        "documents of plain text",
        {
            "claude": shown(
                "claude",
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "A tale."}},
            )
        },
        sees={
            "gemini": shown(
                "gemini", {"inlineData": {"mimeType": "text/plain", "data": base64.b64encode(b"A tale.").decode()}}
            )
        },
        mapped={
            "openai": ("text", shown("openai", {"type": "text", "text": text_found("A tale.")})),
            "responses": ("text", shown("responses", {"type": "input_text", "text": "A tale."})),
        },
    ),
    Feature("audio", each(lambda d: shown(d, media(d, "audio")), "openai", "responses", "gemini")),
    Feature(
        "files that the provider keeps",
        {
            "openai": shown("openai", {"type": "file", "file": {"file_id": "f"}}),
            "responses": shown("responses", {"type": "input_file", "file_id": "f"}),
            "claude": shown("claude", {"type": "document", "source": {"type": "file", "file_id": "f"}}),
            "gemini": shown(
                "gemini", {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/f"}}
            ),
        },
    ),
]

CACHING = [
    Feature(
        "`cache_control`",
        {
            d: shown(d, {"type": "text", "text": HI, "cache_control": {"type": "ephemeral"}})
            for d in ("openai", "claude")
        },
        mapped={
            d: ("`prompt_cache_key`", {"prompt_cache_key": lambda key: len(key) == 24}) for d in ("openai", "responses")
        },
    ),
    Feature("`prompt_cache_key`", {d: {"prompt_cache_key": "k"} for d in ("openai", "responses")}),
    Feature(
        "the same, of models that are not OpenAI's",
        {d: {"prompt_cache_key": "k"} for d in ("openai", "responses")},
        models=dict.fromkeys(("openai", "responses"), "openai/gpt-oss-120b"),
    ),
    Feature(
        "`prompt_cache_retention`",
        {d: {"prompt_cache_retention": "24h"} for d in ("openai", "responses")},
        models=dict.fromkeys(("openai", "responses"), "gpt-5.1"),
    ),
    Feature("`cachedContent`", {"gemini": {"cachedContent": "cachedContents/c"}}),
]

REASONING = [
    Feature(
        "effort",
        {
            "openai": {"reasoning_effort": "low"},
            "responses": {"reasoning": {"effort": "low"}},
            "claude": {"output_config": {"effort": "low"}},
            "gemini": config(thinkingConfig={"thinkingLevel": "LOW"}),
        },
        models=REASONERS,
    ),
    Feature(
        "effort, models that take a budget",
        {
            "openai": {"reasoning_effort": "low"},
            "responses": {"reasoning": {"effort": "low"}},
            "gemini": config(thinkingConfig={"thinkingLevel": "LOW"}),
            "claude": {"output_config": {"effort": "low"}},
        },
        mapped={
            "claude": ("a budget", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            "gemini": ("a budget", config(thinkingConfig={"thinkingBudget": 1024})),
        },
        models={"openai": "gpt-5.1", "responses": "gpt-5.1"},
    ),
    Feature(
        "a budget of tokens",
        {
            "claude": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            "gemini": config(thinkingConfig={"thinkingBudget": 2048}),
        },
        mapped={
            "openai": ("an effort", {"reasoning_effort": "low"}),
            "responses": ("an effort", {"reasoning": {"effort": "low"}}),
        },
        models={"openai": "gpt-5.1", "responses": "gpt-5.1"},
    ),
    Feature(
        "as much as the model likes",
        {"claude": {"thinking": {"type": "adaptive"}}, "gemini": config(thinkingConfig={"thinkingBudget": -1})},
        mapped={d: ("nothing need be said", lambda _: {"model": "gpt-5.1"}) for d in ("openai", "responses")},
        models={"openai": "gpt-5.1", "responses": "gpt-5.1", "claude": "claude-opus-4-6"},
    ),
    Feature(
        "off",
        {
            "openai": {"reasoning_effort": "none"},
            "responses": {"reasoning": {"effort": "none"}},
            "claude": {"thinking": {"type": "disabled"}},
            "gemini": config(thinkingConfig={"thinkingBudget": 0}),
        },
        models=ASKED_OFF,
    ),
    Feature("`reasoning.summary`", {"responses": {"reasoning": {"summary": "auto"}}}),
    Feature(
        "thoughts not shown",
        {
            "gemini": config(thinkingConfig={"includeThoughts": False}),
            "claude": {"thinking": {"type": "adaptive", "display": "omitted"}},
        },
        models={"claude": "claude-opus-5"},
    ),
    Feature(
        "signed, from this upstream",
        {d: (lambda upstream, d=d: thought(d, upstream)) for d in DIALECTS},
        sees={d: own_thought(d) for d in ("responses", "claude", "gemini")}
        | {"openai": talk("openai", {"role": "assistant", "reasoning_content": "Let me see."})},
        models={"gemini": "gemini-3-pro-preview"},
    ),
    Feature(
        "sealed, from this upstream",
        {d: (lambda upstream, d=d: thought(d, upstream, sealed=True)) for d in DIALECTS},
        sees={d: own_thought(d, sealed=True) for d in ("responses", "claude")}
        | {"gemini": talk("gemini", {"parts": [{"thoughtSignature": SEAL}]})},
    ),
    Feature(
        "signed, from the client's own kind of upstream",
        {d: (lambda _, d=d: thought(d, d)) for d in ("responses", "claude", "gemini")},
        sees={d: {"never": "seen"} for d in DIALECTS},
    ),
    Feature(
        "bare text (`reasoning_content`)",
        {
            "openai": talk("openai", {"role": "assistant", "content": "So.", "reasoning_content": "Let me see."}),
            "claude": talk(
                "claude",
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Let me see.", "signature": ""},
                        {"type": "text", "text": "So."},
                    ],
                },
            ),
            "responses": talk(
                "responses",
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Let me see."}]},
                {"role": "assistant", "content": "So."},
            ),
            "gemini": talk(
                "gemini", {"role": "model", "parts": [{"text": "Let me see.", "thought": True}, {"text": "So."}]}
            ),
        },
        sees={d: {"never": "seen"} for d in ("responses", "claude", "gemini")},
    ),
    Feature(
        "the `thoughtSignature` of a call, back to a Gemini model",
        {d: sealed_call(d) for d in DIALECTS},
        sees={d: {"never": "seen"} for d in ("responses", "claude")},
        models={"openai": "gemini-3-pro-preview", "gemini": "gemini-3-pro-preview"},
    ),
]

ANSWER = [
    Feature(
        "the most tokens",
        {
            "openai": {"max_tokens": 99},
            "responses": {"max_output_tokens": 99},
            "claude": {"max_tokens": 99},
            "gemini": config(maxOutputTokens=99),
        },
        sees={"openai": {"max_completion_tokens": 99}},
        models={"openai": "gpt-5.1"},
    ),
    Feature("temperature", {d: {"temperature": 0.5} for d in DIALECTS[:3]} | {"gemini": config(temperature=0.5)}),
    Feature(
        "temperature over 1",
        {d: {"temperature": 1.5} for d in DIALECTS[:2]} | {"gemini": config(temperature=1.5)},
        mapped={"claude": ("1", {"temperature": 1})},
    ),
    Feature("`top_p`", {d: {"top_p": 0.5} for d in DIALECTS[:3]} | {"gemini": config(topP=0.5)}),
    Feature("`top_k`", {"claude": {"top_k": 5}, "gemini": config(topK=5)}),
    Feature(
        "stop sequences",
        {
            "openai": {"stop": ["END"]},
            "claude": {"stop_sequences": ["END"]},
            "gemini": config(stopSequences=["END"]),
        },
    ),
    Feature("seed", {"openai": {"seed": 7}, "gemini": config(seed=7)}),
    Feature("penalties", {"openai": {"frequency_penalty": 0.5}, "gemini": config(frequencyPenalty=0.5)}),
    Feature("several answers (`n`)", {"openai": {"n": 2}, "gemini": config(candidateCount=2)}),
    Feature(
        "log probabilities",
        {
            "openai": {"logprobs": True, "top_logprobs": 3},
            "responses": {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
            "gemini": config(responseLogprobs=True, logprobs=3),
        },
    ),
    Feature("`logit_bias`", {"openai": {"logit_bias": {"50256": -100}}}),
    Feature(
        "JSON",
        {
            "openai": {"response_format": {"type": "json_object"}},
            "responses": {"text": {"format": {"type": "json_object"}}},
            "gemini": config(responseMimeType="application/json"),
        },
    ),
    Feature(
        "JSON by a schema",
        {
            "openai": {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
            "responses": {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            "claude": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            "gemini": config(responseMimeType="application/json", responseJsonSchema=SCHEMA),
        },
        sees={
            "gemini": config(
                responseMimeType="application/json",
                responseJsonSchema={"type": "object", "properties": SCHEMA["properties"]},
            )
        },
    ),
    Feature(
        "verbosity",
        {"openai": {"verbosity": "low"}, "responses": {"text": {"verbosity": "low"}}},
        models=dict.fromkeys(("openai", "responses"), "gpt-5.1"),
    ),
    Feature(
        "speech or pictures as the answer",
        {
            "openai": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
            "gemini": config(responseModalities=["IMAGE"]),
        },
    ),
]

ABOUT = [
    Feature(
        "who is asking",
        {
            "openai": {"user": "ada"},
            "responses": {"user": "ada"},
            "claude": {"metadata": {"user_id": "ada"}},
        },
    ),
    Feature(
        "`metadata`, `labels`",
        {d: {"metadata": {"a": "b"}} for d in ("openai", "responses")} | {"gemini": {"labels": {"a": "b"}}},
    ),
    Feature(
        "`safety_identifier`",
        {d: {"safety_identifier": "s"} for d in ("openai", "responses")},
    ),
    Feature(
        "`service_tier`",
        {d: {"service_tier": "auto"} for d in ("openai", "responses", "claude")},
        sees={"claude": {"never": "seen"}},
    ),
    Feature(
        "`store`, where replies are not kept here",
        {d: {"store": True} for d in ("openai", "responses")},
        sees={"responses": {"store": True}},
    ),
    Feature(
        "`previous_response_id` of a reply that is not kept here", {"responses": {"previous_response_id": "resp_1"}}
    ),
    Feature("`background`", {"responses": {"background": True}}),
    Feature("a message `thread`", {"claude": {"thread": {"type": "create"}}}),
    Feature("`truncation`", {"responses": {"truncation": "auto"}}),
    Feature("`context_management`", {"claude": {"context_management": {"edits": []}}}),
    Feature("`mcp_servers`", {"claude": {"mcp_servers": [{"type": "url", "url": "https://example.org", "name": "m"}]}}),
    Feature("`prediction`", {"openai": {"prediction": {"type": "content", "content": "x"}}}),
    Feature(
        "`safetySettings`",
        {"gemini": {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]}},
    ),
]

GROUPS = {
    "The conversation": CONVERSATION,
    "Tools": TOOLS,
    "Images, documents, sound": MEDIA,
    "Prompt caches": CACHING,
    "Reasoning": REASONING,
    "How to answer": ANSWER,
    "About the request": ABOUT,
}
