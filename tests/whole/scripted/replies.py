"""What a provider says in each dialect, whole or when it fails; `frames` has the streams.

The text names the model that was asked, so that a test can tell which target answered. The token
counts are odd numbers that nobody would arrive at by counting.
"""

from typing import Any

type Body = dict[str, Any]

INPUT, CACHED, OUTPUT = 137, 19, 43
"""All input tokens, how many of them came from a cache, and output tokens."""

KINDS: dict[str, dict[int, str]] = {
    "openai": {401: "invalid_request_error", 429: "rate_limit_exceeded", 500: "server_error", 503: "server_error"},
    "claude": {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        500: "api_error",
        503: "api_error",
        529: "overloaded_error",
    },
    "gemini": {
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
    },
}
KINDS["responses"] = KINDS["openai"]


def text(model: str) -> str:
    return f"Greetings from {model}, which has nothing else to say today."


def words(said: str) -> list[str]:
    """Cut after every blank, so that the pieces put together are the text again."""
    first, *rest = said.split(" ")
    return [first, *(" " + word for word in rest)]


def error(dialect: str, status: int, message: str) -> Body:
    kind = KINDS[dialect].get(status)
    match dialect:
        case "claude":
            fault = {"type": kind or "invalid_request_error", "message": message}
            return {"type": "error", "error": fault, "request_id": "req_scripted"}
        case "gemini":
            return {"error": {"code": status, "message": message, "status": kind or "INVALID_ARGUMENT"}}
        case _:
            code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
            return {"error": {"message": message, "type": kind or "invalid_request_error", "param": None, "code": code}}


def models(dialect: str) -> Body:
    if dialect == "claude":
        row: Body = {
            "type": "model",
            "id": "scripted-1",
            "display_name": "Scripted 1",
            "created_at": "2026-01-01T00:00:00Z",
        }
        return {"data": [row], "has_more": False, "first_id": "scripted-1", "last_id": "scripted-1"}
    if dialect == "gemini":
        return {"models": [{"name": "models/scripted-1", "supportedGenerationMethods": ["generateContent"]}]}
    return {"object": "list", "data": [{"id": "scripted-1", "object": "model", "created": 1, "owned_by": "tests"}]}


def whole(dialect: str, model: str, said: str) -> Body:
    match dialect:
        case "claude":
            return claude_message(model, [{"type": "text", "text": said}], "end_turn", OUTPUT)
        case "gemini":
            return gemini_piece(model, said, "STOP")
        case "responses":
            return response_object(model, [response_item(said, "completed")], "completed")
        case _:
            message = {"role": "assistant", "content": said, "refusal": None}
            return {
                "id": "chatcmpl-scripted",
                "object": "chat.completion",
                "created": 1,
                "model": model,
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
                "usage": openai_usage(),
            }


def openai_usage() -> Body:
    return {
        "prompt_tokens": INPUT,
        "completion_tokens": OUTPUT,
        "total_tokens": INPUT + OUTPUT,
        "prompt_tokens_details": {"cached_tokens": CACHED},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def claude_message(model: str, content: list[Body], stop: str | None, output: int) -> Body:
    usage = {
        "input_tokens": INPUT - CACHED,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED,
        "output_tokens": output,
    }
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }


def gemini_piece(model: str, said: str, reason: str | None) -> Body:
    candidate: Body = {"content": {"parts": [{"text": said}], "role": "model"}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    usage = {
        "promptTokenCount": INPUT,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": OUTPUT,
        "totalTokenCount": INPUT + OUTPUT,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "scripted"}


def response_item(said: str, status: str) -> Body:
    content = [{"type": "output_text", "text": said, "annotations": [], "logprobs": []}] if said else []
    return {"id": "msg_scripted", "type": "message", "role": "assistant", "status": status, "content": content}


def response_object(model: str, output: list[Body], status: str) -> Body:
    usage = {
        "input_tokens": INPUT,
        "input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": 0},
        "output_tokens": OUTPUT,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT + OUTPUT,
    }
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": 1,
        "model": model,
        "status": status,
        "output": output,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if status == "completed" else None,
    }
