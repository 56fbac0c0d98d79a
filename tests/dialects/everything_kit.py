"""Requests with all that their dialect can say and that others may be told: for tests that spoil and compare."""

from typing import Any

from responses_kit import FORMAT

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string", "minLength": 1}, "b": {"type": "array", "items": {"type": "integer"}}},
    "required": ["a"],
    "anyOf": [{"required": ["a"]}, {"properties": {"b": {"oneOf": [{"type": "null"}]}}}],
    "$defs": {"x": {"type": "object", "additionalProperties": {"type": "string"}}},
}
LARK = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
PATCH = {"type": "custom", "name": "apply_patch", "description": "d", "format": LARK}
READ = {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}, "strict": False}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "i",
    "input": [
        {
            "type": "additional_tools",
            "role": "developer",
            "tools": [{"type": "namespace", "name": "n", "tools": [PATCH]}],
        },
        {"role": "developer", "content": "a"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "image_url": "https://e.org", "detail": "low"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
                {"type": "input_file", "filename": "f", "file_data": "data:application/pdf;base64,AAAA"},
            ],
        },
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "a"}],
            "content": None,
            "encrypted_content": "z",
        },
        {
            "type": "message",
            "id": "msg",
            "status": "completed",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "abc",
                    "annotations": [
                        {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
                    ],
                },
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {"type": "function_call", "id": "fc", "call_id": "c", "name": "read", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "d", "name": "exec", "namespace": "n", "input": "x"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "a"}]},
        {"type": "web_search_call", "id": "w"},
    ],
    "tools": [READ, PATCH, {"type": "web_search"}],
    "tool_choice": {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [
            {"type": "function", "name": "read"},
            {"type": "custom", "name": "apply_patch"},
            {"type": "custom", "name": "apply_patch", "namespace": "n"},
        ],
    },
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"verbosity": "low", "format": FORMAT},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.5,
    "store": False,
    "truncation": "disabled",
    "user": "u",
    "metadata": {"a": "b"},
}
GEMINI: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
        {"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "https://e.org/a.png"}}]},
        {
            "role": "model",
            "parts": [
                {"text": "t", "thought": True, "thoughtSignature": "c2lnbmF0dXJl"},
                {"functionCall": {"id": "c", "name": "n", "args": {}}, "thoughtSignature": "c2lnbmF0dXJl"},
                {"executableCode": {"code": "1"}},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"id": "c", "name": "n", "response": {"output": "x"}}}]},
    ],
    "systemInstruction": {"parts": [{"text": "s"}]},
    "tools": [{"functionDeclarations": [{"name": "n", "description": "d", "parameters": {"type": "OBJECT"}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["n"]}},
    "generationConfig": {
        "temperature": 1,
        "topP": 1,
        "topK": 4.0,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        "thinkingConfig": {"thinkingBudget": 5, "thinkingLevel": "LOW", "includeThoughts": False},
    },
    "safetySettings": [{"category": "x"}],
}
EVERYTHING: dict[str, dict[str, Any]] = {
    "openai": {
        "model": "m",
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "a"}]},
            {
                "role": "user",
                "name": "n",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image_url", "image_url": {"url": "https://e.org", "detail": "low"}},
                    {"type": "file", "file": {"filename": "f", "file_data": "data:application/pdf;base64,AAAA"}},
                    {"type": "file", "file": {"filename": "f", "file_data": "data:text/plain;base64,AAAA"}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}],
                "refusal": "r",
                "reasoning_content": "c",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1"},
                    {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1"},
                ],
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "n", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}]},
        ],
        "tools": [
            {"type": "function", "function": {"name": "n", "description": "d", "parameters": SCHEMA, "strict": True}}
        ],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "n"}}]},
        },
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "description": "d", "schema": SCHEMA, "strict": True},
        },
        "stop": ["a"],
        "max_tokens": 5,
        "max_completion_tokens": 5,
        "temperature": 1.5,
        "top_p": 0.5,
        "top_k": 5,
        "seed": 1,
        "n": 1,
        "logprobs": False,
        "reasoning_effort": "low",
        "parallel_tool_calls": True,
        "user": "u",
        "metadata": {"a": "b"},
        "stream_options": {"include_usage": True},
    },
    "claude": {
        "model": "m",
        "max_tokens": 5,
        "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    {"type": "image", "source": {"type": "url", "url": "https://e.org"}},
                    {
                        "type": "document",
                        "title": "t",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                    },
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}},
                    {"type": "search_result", "title": "t", "source": "s", "content": [{"type": "text", "text": "a"}]},
                ],
            },
            {"role": "system", "content": "a", "output_config": {"effort": "low"}},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                    {"type": "server_tool_use", "id": "s", "name": "w", "input": {}},
                    {"type": "tool_use", "id": "c", "name": "n", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "c",
                        "is_error": True,
                        "content": [{"type": "text", "text": "a"}, {"type": "tool_reference", "tool_name": "n"}],
                    }
                ],
            },
        ],
        "tools": [{"name": "n", "description": "d", "input_schema": SCHEMA, "strict": True, "defer_loading": True}],
        "tool_choice": {"type": "tool", "name": "n", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "stop_sequences": ["a"],
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 5,
        "metadata": {"user_id": "u", "more": "x"},
        "context_management": {"edits": []},
    },
    "responses": RESPONSES,
    "gemini": GEMINI,
}
