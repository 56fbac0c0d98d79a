"""Writer for OpenAI Responses requests: form -> wire."""

from collections.abc import Mapping
from typing import Any

from omniroute.dialects.ir import Body, Format, Native, Request, Thinking, Tool
from omniroute.dialects.json_schema import is_strict
from omniroute.dialects.losses import Losses, WrittenRequest, write_native
from omniroute.dialects.openai import capabilities
from omniroute.dialects.openai.write_request import BUDGETS, FIELDS, NEUTRAL, USER_LIMIT, write_own
from omniroute.dialects.responses.read_request import LOGPROBS, SEAL
from omniroute.dialects.responses.write_items import write_items
from omniroute.dialects.tool_names import ToolNames
from omniroute.dialects.validate import refuse

LEAST_OUTPUT = 16
NESTED = ("text", "reasoning")
ASKS_NOTHING: Mapping[str, Any] = NEUTRAL


def write_request(request: Request, *, max_output: int | None = None) -> WrittenRequest:
    """Write a request. Raise BadRequest if something that must not be lost cannot be written in this dialect."""
    losses, names = Losses(), ToolNames()
    body: Body = {"model": request.model, "input": write_items(request.messages, losses, names), "store": False}
    if not body["input"]:
        raise refuse("messages", "must hold at least one message with content")
    for need in request.needs:
        body |= write_native(need, "responses")
    if tools := [_tool(tool, losses, names) for tool in request.tools]:
        body["tools"] = tools
    _write_choice(request, body, losses, names)
    _write_limit(request, body, max_output, losses)
    _write_thinking(request.thinking or Thinking(), request.model, body, losses)
    _write_tuning(request, body, losses)
    if request.format is not None:
        body["text"] = {"format": _format(request.format, losses)}
    if request.user is not None and len(request.user) <= USER_LIMIT:
        body["user"] = request.user
    elif request.user is not None:
        losses.add("user")
    if request.stream:
        body["stream"] = True
    _write_own(losses.foreign(request.extra, "responses"), body)
    shared = write_own(request, losses, metadata=True)
    if (verbosity := shared.pop("verbosity", None)) is not None:
        body.setdefault("text", {})["verbosity"] = verbosity
    body |= shared
    return WrittenRequest(body, losses.names, names.back)


def _write_own(fields: Mapping[str, Any], body: Body) -> None:
    for key, value in fields.items():
        head, _, tail = key.partition(".")
        if tail and head in NESTED:
            body.setdefault(head, {})[tail] = value
        elif tail:
            if isinstance(value, dict):  # a provider tool that the reader left out
                body.setdefault("tools", []).append(value)
        elif key == "include":
            body[key] = [*body.get(key, []), *value]
        else:
            body[key] = value


def _tool(tool: Tool | Native, losses: Losses, names: ToolNames) -> Body:
    if isinstance(tool, Native):
        return write_native(tool, "responses")
    body: Body = {"type": "function", "name": names.fit(tool.name), "parameters": None}
    if tool.parameters is not None:
        body["parameters"] = dict(tool.parameters)
    if tool.description is not None:
        body["description"] = tool.description
    if tool.strict and not is_strict(tool.parameters):
        losses.add("tools.strict")
    # The default would be true in this dialect, which rejects schemas that other dialects accept.
    body["strict"] = bool(tool.strict) and is_strict(tool.parameters)
    own = losses.foreign(tool.extra, "responses", "tools.")
    own.pop("format", None)
    return body | own


def _write_choice(request: Request, body: Body, losses: Losses, names: ToolNames) -> None:
    choice = request.tool_choice
    if not request.tools:
        if request.parallel is not None:
            losses.add("parallel")
        if choice is not None and choice.mode != "none":
            losses.add("tool_choice")
        return
    if request.parallel is False and not capabilities.takes_parallel(request.model):
        losses.add("parallel")
    elif request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel
    if choice is None:
        return
    if choice.allowed:
        tools = [{"type": "function", "name": names.fit(name)} for name in choice.allowed]
        body["tool_choice"] = {"type": "allowed_tools", "mode": choice.mode, "tools": tools}
    elif choice.name is not None:
        body["tool_choice"] = {"type": "function", "name": names.fit(choice.name)}
    else:
        body["tool_choice"] = choice.mode


def _write_limit(request: Request, body: Body, max_output: int | None, losses: Losses) -> None:
    if (wanted := request.max_output) is None:
        return
    limit = max(wanted if max_output is None else min(wanted, max_output), LEAST_OUTPUT)
    if limit != wanted:
        losses.add("max_output")
    body["max_output_tokens"] = limit


def _write_thinking(thinking: Thinking, model: str, body: Body, losses: Losses) -> None:
    """Write the reasoning effort, and request encrypted reasoning, as the provider does not store the reply."""
    wanted = thinking.effort
    if thinking.mode == "off":
        wanted = "off"
    elif wanted is None and thinking.budget is not None:
        wanted = next((name for limit, name in BUDGETS if thinking.budget <= limit), "high")
    said = capabilities.effort(model, wanted) if wanted is not None else None
    if said is not None:
        body["reasoning"] = {"effort": said}
    elif wanted is not None and (wanted != "off" or capabilities.reasons(model)):
        losses.add("thinking")
    if capabilities.reasons(model) and said != "none":
        if thinking.mode in {"budget", "adaptive"}:
            body.setdefault("reasoning", {})["summary"] = "auto"
        body["include"] = [SEAL]


def _write_tuning(request: Request, body: Body, losses: Losses) -> None:
    if request.stop:
        losses.add("stop")
    samples = capabilities.takes_sampling(request.model, body.get("reasoning", {}).get("effort"))
    for key, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is not None and samples:
            body[key] = value
        elif value is not None and value != NEUTRAL[key]:
            losses.add(key)
    for key, value in request.tuning.items():
        if samples and key == "top_logprobs":
            body[key] = value
        elif samples and key == "logprobs" and value:
            body["include"] = [*body.get("include", []), LOGPROBS]
        elif key not in FIELDS and (key not in ASKS_NOTHING or value != ASKS_NOTHING[key]):
            losses.add(key)


def _format(wanted: Format, losses: Losses) -> Body:
    if wanted.schema is None:
        return {"type": "json_object"}
    body: Body = {"type": "json_schema", "name": wanted.name or "answer", "schema": dict(wanted.schema)}
    if wanted.description is not None:
        body["description"] = wanted.description
    if wanted.strict and not is_strict(wanted.schema):
        losses.add("format.strict")
    elif wanted.strict is not None:
        body["strict"] = wanted.strict
    return body
