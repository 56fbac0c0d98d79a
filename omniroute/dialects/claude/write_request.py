"""Writer for Anthropic Messages requests: form -> wire."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omniroute.dialects.claude import capabilities
from omniroute.dialects.claude.write_messages import settle_sampling, write_thinking, write_turns
from omniroute.dialects.ir import Body, Format, Native, Request, Tool, ToolChoice
from omniroute.dialects.json_schema import as_object, close, described
from omniroute.dialects.losses import Losses, WrittenRequest, write_native
from omniroute.dialects.tool_names import ToolNames
from omniroute.dialects.validate import refuse

DEFAULT_MAX_TOKENS = 8192
USER_LIMIT = 256
PERSONAL = re.compile(r"\S@\S+\.\S|^\s*\+?[\d\s().-]{7,}$")
"""Pattern of an email address or a telephone number: Anthropic rejects personal data in `user_id`."""
NEUTRAL = {"n": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0}
"""Values equal to the default: leaving them out loses nothing."""
NESTED = ("metadata", "output_config", "thinking")
MODES = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}


def write_request(request: Request, *, max_output: int | None = None) -> WrittenRequest:
    """Write a request. Raise BadRequest if something that must not be lost cannot be written in this dialect."""
    losses, names = Losses(), ToolNames()
    system, turns = write_turns(
        request.messages, losses, names, system_turns=capabilities.takes_system_turns(request.model)
    )
    if turns[-1]["role"] == "assistant" and not capabilities.takes_prefill(request.model):
        _leave_out_end(turns, losses)
    body: Body = {"model": request.model, "messages": turns, "max_tokens": _limit(request, max_output, losses)}
    if system:
        body["system"] = system
    for need in request.needs:
        body |= write_native(need, "claude")
    _write_tools(request, body, losses, names)
    _write_tuning(request, body, losses)
    if request.thinking is not None:
        write_thinking(request.thinking, request.model, body, losses)
    settle_sampling(request.model, body, losses)
    if request.format is not None:
        _write_format(request.format, body, losses)
    if request.user is not None:
        if len(request.user) > USER_LIMIT or PERSONAL.search(request.user):
            losses.add("user")
        else:
            body["metadata"] = {"user_id": request.user}
    if request.stream:
        body["stream"] = True
    _write_own(losses.foreign(request.extra, "claude"), body)
    return WrittenRequest(body, losses.names, names.back)


def _leave_out_end(turns: list[Body], losses: Losses) -> None:
    """Remove a final assistant turn, which agents leave there when they retry after an incomplete reply.

    Only clients of Anthropic's own dialect rely on an answer that continues it. Raise BadRequest if it is the only
    turn.
    """
    if len(turns) == 1:
        raise refuse("messages", "must end with what the user says: the chosen model does not go on from its own words")
    turns.pop()
    losses.add("messages.last_turn")


def _write_own(fields: Mapping[str, Any], body: Body) -> None:
    for key, value in fields.items():
        head, _, tail = key.partition(".")
        if tail and head in NESTED:
            body.setdefault(head, {})[tail] = value
        else:
            body[key] = value


def _limit(request: Request, max_output: int | None, losses: Losses) -> int:
    wanted = request.max_output
    if wanted is None:
        thoughts = request.thinking.budget if request.thinking else None
        return max_output or DEFAULT_MAX_TOKENS + (thoughts or 0)
    if max_output is not None and wanted > max_output:
        losses.add("max_output")
        return max_output
    return wanted


def _write_tools(request: Request, body: Body, losses: Losses, names: ToolNames) -> None:
    choice = request.tool_choice
    allowed = set(choice.allowed) if choice else set()
    tools = [tool for tool in request.tools if not allowed or isinstance(tool, Native) or tool.name in allowed]
    if not tools:
        if request.parallel is not None:
            losses.add("parallel")
        if choice is not None and choice.mode in {"required", "named"}:
            losses.add("tool_choice")
        return
    body["tools"] = [_tool(tool, request.model, losses, names) for tool in tools]
    if choice is None and request.parallel is None:
        return
    if choice is not None and choice.mode in {"required", "named"} and capabilities.always_thinks(request.model):
        losses.add("tool_choice")
        choice = ToolChoice("auto")
    said: Body = {"type": MODES[choice.mode if choice else "auto"]}
    if choice is not None and choice.name is not None:
        said["name"] = names.fit(choice.name)
    if request.parallel is not None and said["type"] != "none":
        said["disable_parallel_tool_use"] = not request.parallel
    body["tool_choice"] = said


def _tool(tool: Tool | Native, model: str, losses: Losses, names: ToolNames) -> Body:
    if isinstance(tool, Native):
        return write_native(tool, "claude")
    body: Body = {"name": names.fit(tool.name), "input_schema": as_object(tool.parameters, losses)}
    if tool.description:
        body["description"] = tool.description
    if tool.strict and not capabilities.takes_strict(model):
        losses.add("tools.strict")
    elif tool.strict is not None:
        body["strict"] = tool.strict
    return body | losses.foreign(tool.extra, "claude", "tools.")


def _write_format(wanted: Format, body: Body, losses: Losses) -> None:
    if not wanted.schema:
        losses.add("format")
        return
    schema = close(described(wanted), losses, "format.schema.")
    body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}


def _write_tuning(request: Request, body: Body, losses: Losses) -> None:
    if request.temperature is not None:
        body["temperature"] = min(request.temperature, 1)
        if request.temperature > 1:
            losses.add("temperature")
    if request.top_p is not None:
        body["top_p"] = request.top_p
    stops = [stop for stop in request.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops
    if len(stops) < len(request.stop):
        losses.add("stop")
    for key, value in request.tuning.items():
        if key == "top_k":
            body["top_k"] = value
        elif key not in NEUTRAL or value != NEUTRAL[key]:
            losses.add(key)


MARK = {"type": "ephemeral"}
MOVING = 2
"""Number of cache marks on user turns. The second to last is where the previous turn wrote its cache entry."""


def set_breakpoints(body: Body) -> None:
    """Set cache marks on the tools, the system prompt and the ends of the last two user turns: the four allowed.

    Leave the body unchanged if it already has marks, or has neither tools nor an assistant turn.
    """
    if any("cache_control" in holder for holder in _holders(body)):
        return
    turns = body["messages"]
    if not body.get("tools") and not any(turn["role"] == "assistant" for turn in turns):
        return
    blocks = [turn["content"][-1] for turn in turns if turn["role"] == "user"][-MOVING:]
    for key in ("tools", "system"):
        blocks += body.get(key, [])[-1:]
    for block in blocks:
        block["cache_control"] = MARK


def _holders(body: Body) -> Iterator[dict[str, Any]]:
    """Yield every object that may hold a cache mark."""
    yield body
    yield from body.get("tools", [])
    yield from body.get("system", [])
    for turn in body["messages"]:
        for block in turn["content"]:
            yield block
            if isinstance(inner := block.get("content"), list):
                yield from inner
