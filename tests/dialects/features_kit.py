"""How each dialect says what the features are made of: turns, tools, calls, results, pictures, thoughts."""

from collections.abc import Mapping
from typing import Any

from features import BASES, DIALECTS

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.gemini.reasoning_signatures import wrap as wrap_for_gemini
from omniroute.dialects.ir import Body, Reasoning

KEYS = {"openai": "messages", "responses": "input", "claude": "messages", "gemini": "contents"}
PNG, PDF, WAV = "iVBORw0KGgo=", "JVBERi0xLjQK", "UklGRg=="
SCHEMA = {
    "type": "object",
    "properties": {"at": {"type": "integer"}},
    "required": ["at"],
    "additionalProperties": False,
}
SEAL = "c2VhbA=="


def talk(dialect: str, *turns: Body | list[Body]) -> Body:
    """Make a conversation that begins with what the user says."""
    said = [turn for group in turns for turn in (group if isinstance(group, list) else [group])]
    return {KEYS[dialect]: [*BASES[dialect][KEYS[dialect]], *said]}


def each(make: Any, *dialects: str) -> dict[str, Any]:
    return {dialect: make(dialect) for dialect in dialects or DIALECTS}


def turn(dialect: str, role: str, text: str) -> Body:
    if dialect == "gemini":
        return {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]}
    return {"role": role, "content": text}


def tool(dialect: str, name: str = "look", schema: Mapping[str, Any] = SCHEMA, **more: Any) -> Body:
    match dialect:
        case "openai":
            return {"type": "function", "function": {"name": name, "parameters": schema, **more}}
        case "responses":
            return {"type": "function", "name": name, "parameters": schema, **more}
        case "claude":
            return {"name": name, "input_schema": schema, **more}
        case _:
            return {"functionDeclarations": [{"name": name, "parametersJsonSchema": schema, **more}]}


def tools(dialect: str, *names: str, **fields: Any) -> Body:
    """Offer tools, and say something about them."""
    names = names or ("look", "find")
    if dialect == "gemini":
        declared = [tool(dialect, name)["functionDeclarations"][0] for name in names]
        return {"tools": [{"functionDeclarations": declared}]} | fields
    return {"tools": [tool(dialect, name) for name in names]} | fields


def calls(dialect: str, *ids: str, **more: Any) -> list[Body]:
    """Let the model call a tool once for each id."""
    match dialect:
        case "openai":
            function = {"name": "look", "arguments": '{"at":1}'}
            made = [{"id": i, "type": "function", "function": function, **more} for i in ids]
            return [{"role": "assistant", "tool_calls": made}]
        case "responses":
            return [{"type": "function_call", "call_id": i, "name": "look", "arguments": '{"at":1}'} for i in ids]
        case "claude":
            used = [{"type": "tool_use", "id": i, "name": "look", "input": {"at": 1}, **more} for i in ids]
            return [{"role": "assistant", "content": used}]
        case _:
            said = [{"functionCall": {"id": i, "name": "look", "args": {"at": 1}}, **more} for i in ids]
            return [{"role": "model", "parts": said}]


def results(dialect: str, *ids: str, content: Any = None, **more: Any) -> list[Body]:
    """Give the result of each call; `content` is the dialect's own."""
    match dialect:
        case "openai":
            return [{"role": "tool", "tool_call_id": i, "content": content or f"seen {i}"} for i in ids]
        case "responses":
            return [{"type": "function_call_output", "call_id": i, "output": content or f"seen {i}"} for i in ids]
        case "claude":
            blocks = [{"type": "tool_result", "tool_use_id": i, "content": content or f"seen {i}", **more} for i in ids]
            return [{"role": "user", "content": blocks}]
        case _:
            parts = [
                {"functionResponse": {"id": i, "name": "look", "response": content or {"output": f"seen {i}"}, **more}}
                for i in ids
            ]
            return [{"role": "user", "parts": parts}]


def media(dialect: str, kind: str, *, url: bool = False) -> Body:
    """Show a picture, a document or a sound."""
    mime, data, name = {
        "image": ("image/png", PNG, "a.png"),
        "document": ("application/pdf", PDF, "a.pdf"),
        "audio": ("audio/wav", WAV, "a.wav"),
    }[kind]
    link, inline = f"https://example.org/{name}", f"data:{mime};base64,{data}"
    if dialect == "gemini":
        return (
            {"fileData": {"fileUri": link, "mimeType": mime}}
            if url
            else {"inlineData": {"mimeType": mime, "data": data}}
        )
    if dialect == "claude":
        source = {"type": "url", "url": link} if url else {"type": "base64", "media_type": mime, "data": data}
        return {"type": kind, "source": source}
    if kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    if dialect == "openai":
        if kind == "image":
            return {"type": "image_url", "image_url": {"url": link if url else inline}}
        return {"type": "file", "file": {"file_data": inline}}
    if kind == "image":
        return {"type": "input_image", "image_url": link if url else inline}
    return {"type": "input_file", "file_url": link} if url else {"type": "input_file", "file_data": inline}


def shown(dialect: str, *parts: Body) -> Body:
    """Let the user show something."""
    return {KEYS[dialect]: [{"role": "user", "parts" if dialect == "gemini" else "content": list(parts)}]}


def config(**fields: Any) -> Body:
    return {"generationConfig": fields}


def calling(**fields: Any) -> Body:
    return {"toolConfig": {"functionCallingConfig": fields}}


def prompts(dialect: str, *texts: str) -> Body:
    match dialect:
        case "claude":
            return {"system": [{"type": "text", "text": text} for text in texts]}
        case "gemini":
            return {"systemInstruction": {"parts": [{"text": text} for text in texts]}}
        case _:
            said = [{"role": "system", "content": text} for text in texts]
            return {KEYS[dialect]: [*said, *BASES[dialect][KEYS[dialect]]]}


def thought(dialect: str, origin: str, *, sealed: bool = False) -> Body:
    """Give back reasoning that an upstream of dialect `origin` has sealed."""
    text = "" if sealed else "Let me see."
    match dialect:
        case "claude" if sealed:
            block = {"type": "redacted_thinking", "data": reasoning_signatures.wrap(SEAL, origin, dialect, sealed=True)}
            return talk(dialect, {"role": "assistant", "content": [block, {"type": "text", "text": "So."}]})
        case "claude":
            block = {
                "type": "thinking",
                "thinking": text,
                "signature": reasoning_signatures.wrap(SEAL, origin, dialect),
            }
            return talk(dialect, {"role": "assistant", "content": [block, {"type": "text", "text": "So."}]})
        case "responses":
            seal = reasoning_signatures.wrap(SEAL, origin, dialect, sealed=sealed)
            summary = [{"type": "summary_text", "text": text}] if text else []
            item = {"type": "reasoning", "summary": summary, "encrypted_content": seal}
            return talk(dialect, item, {"role": "assistant", "content": "So."})
        case "gemini":
            part = Reasoning(sealed=SEAL, origin=origin) if sealed else Reasoning(text, SEAL, origin=origin)
            body = {
                "text": text,
                "thought": True,
                "thoughtSignature": SEAL if origin == "gemini" else wrap_for_gemini([part]),
            }
            return talk(dialect, {"role": "model", "parts": [body, {"text": "So."}]})
        case _:
            formats = {
                "claude": "anthropic-claude-v1",
                "responses": "openai-responses-v1",
                "gemini": "google-gemini-v1",
            }
            detail: Body = (
                {"type": "reasoning.encrypted", "data": SEAL}
                if sealed
                else {
                    "type": "reasoning.text",
                    "text": text,
                    "signature": SEAL,
                }
            )
            detail |= {"format": formats[origin]} if origin in formats else {}
            return talk(dialect, {"role": "assistant", "content": "So.", "reasoning_details": [detail]})


def sealed_call(dialect: str) -> Body:
    """Give back a call that Google has sealed."""
    match dialect:
        case "openai":
            said = calls(dialect, "c1", extra_content={"google": {"thought_signature": SEAL}})
        case "claude":
            said = calls(dialect, "c1")
            block = {"type": "thinking", "thinking": "", "signature": f"gemini:{reasoning_signatures.CALL}{SEAL}"}
            said[0]["content"].insert(0, block)
        case "responses":
            item = {
                "type": "reasoning",
                "summary": [],
                "encrypted_content": f"gemini:{reasoning_signatures.CALL}{SEAL}",
            }
            said = [item, *calls(dialect, "c1")]
        case _:
            said = calls(dialect, "c1", thoughtSignature=SEAL)
    return talk(dialect, said, results(dialect, "c1"))


def own_thought(dialect: str, *, sealed: bool = False) -> Body:
    """Say how an upstream of this dialect gets its own reasoning back."""
    return thought(dialect, dialect, sealed=sealed)


def text_found(text: str) -> Any:
    return lambda said: isinstance(said, str) and text in said
