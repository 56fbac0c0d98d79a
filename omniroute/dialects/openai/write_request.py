"""Chat Completions requests: form -> wire."""

from omniroute.dialects.ir import Body, Format, Native, Request, Thinking, Tool
from omniroute.dialects.names import ToolNames
from omniroute.dialects.openai import models
from omniroute.dialects.openai.own import FIELDS, write_own
from omniroute.dialects.openai.write_messages import write_messages
from omniroute.dialects.schema import is_strict
from omniroute.dialects.written import Losses, Written, write_native

STOPS = 4
USER_LIMIT = 64
ALWAYS = ("seed",)
NEUTRAL = {"n": 1, "temperature": 1, "top_p": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0}
"""Values that ask for nothing: leaving them out loses nothing."""
KNOWN = {*ALWAYS, *NEUTRAL, "stop", "top_logprobs"} - {"n"}
"""More answers than one are not asked for: one is all that the form of a reply holds, and all would be paid for."""
BUDGETS = ((2048, "low"), (10_000, "medium"))
"""Up to so many tokens of thinking an effort is called so; more is `high`."""


def write_request(request: Request, *, max_output: int | None = None) -> Written:
    """Write a request. BadRequest where something that must not be lost cannot be said."""
    losses, names = Losses(), ToolNames()
    body: Body = {"model": request.model, "messages": write_messages(request.messages, request.model, losses, names)}
    for need in request.needs:
        body |= write_native(need, "openai")
    if tools := [_tool(tool, losses, names) for tool in request.tools]:
        body["tools"] = tools
    _write_choice(request, body, losses, names)
    _write_limit(request, body, max_output, losses)
    if request.thinking is not None:
        _write_thinking(request.thinking, request.model, body, losses)
    _write_tuning(request, body, losses)
    if request.format is not None:
        body["response_format"] = _format(request.format, losses)
    if request.user is not None and len(request.user) <= USER_LIMIT:
        body["user"] = request.user
    elif request.user is not None:
        losses.add("user")
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body |= losses.foreign(request.extra, "openai")
    return Written(write_own(request, losses, metadata=False) | body, losses.names, names.back)


def _tool(tool: Tool | Native, losses: Losses, names: ToolNames) -> Body:
    if isinstance(tool, Native):
        return write_native(tool, "openai")
    function: Body = {"name": names.fit(tool.name)}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = dict(tool.parameters)
    if tool.strict and not is_strict(tool.parameters):
        losses.add("tools.strict")
    elif tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function | losses.foreign(tool.extra, "openai", "tools.")}


def _write_choice(request: Request, body: Body, losses: Losses, names: ToolNames) -> None:
    """Say which tools may be called; without tools both fields are refused, and mean nothing."""
    choice = request.tool_choice
    if not request.tools:
        if request.parallel is not None:
            losses.add("parallel")
        if choice is not None and choice.mode != "none":
            losses.add("tool_choice")
        return
    if request.parallel is False and not models.takes_parallel(request.model):
        losses.add("parallel")
    elif request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel
    if choice is None:
        return
    if choice.allowed:
        tools = [_named(name, names) for name in choice.allowed]
        body["tool_choice"] = {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": tools}}
    elif choice.name is not None:
        body["tool_choice"] = _named(choice.name, names)
    else:
        body["tool_choice"] = choice.mode


def _named(name: str, names: ToolNames) -> Body:
    return {"type": "function", "function": {"name": names.fit(name)}}


def _write_limit(request: Request, body: Body, max_output: int | None, losses: Losses) -> None:
    if (limit := request.max_output) is None:
        return
    if max_output is not None and limit > max_output:
        losses.add("max_output")
        limit = max_output
    body["max_completion_tokens" if models.limits_all_output(request.model) else "max_tokens"] = limit


def _write_tuning(request: Request, body: Body, losses: Losses) -> None:
    wanted = {"temperature": request.temperature, "top_p": request.top_p, "stop": list(request.stop[:STOPS]) or None}
    if len(request.stop) > STOPS:
        losses.add("stop")
    samples = models.takes_sampling(request.model, body.get("reasoning_effort"))
    for key, value in {**wanted, **request.tuning}.items():
        if key in FIELDS:
            continue
        if key not in KNOWN:
            if value != NEUTRAL.get(key):
                losses.add(key)
        elif samples or key in ALWAYS:
            body |= {} if value is None else {key: value}
        elif value is not None and value != NEUTRAL.get(key):
            losses.add(key)


def _write_thinking(thinking: Thinking, model: str, body: Body, losses: Losses) -> None:
    wanted = thinking.effort
    if thinking.mode == "off":
        wanted = "off"
    elif wanted is None and thinking.budget is not None:
        wanted = next((name for limit, name in BUDGETS if thinking.budget <= limit), "high")
    if wanted is None:
        return
    said = models.effort(model, wanted)
    if said is not None:
        body["reasoning_effort"] = said
    elif wanted != "off" or models.reasons(model):
        losses.add("thinking")


def _format(wanted: Format, losses: Losses) -> Body:
    if wanted.schema is None:
        return {"type": "json_object"}
    spec: Body = {"name": wanted.name or "answer", "schema": dict(wanted.schema)}
    if wanted.description is not None:
        spec["description"] = wanted.description
    if wanted.strict and not is_strict(wanted.schema):
        losses.add("format.strict")
    elif wanted.strict is not None:
        spec["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": spec}
