"""Writer for Gemini requests: form -> wire."""

from typing import Any

from omniroute.dialects.gemini import capabilities
from omniroute.dialects.gemini.write_contents import Names, write_contents
from omniroute.dialects.ir import Body, Format, Native, Request, Thinking, Tool, ToolChoice
from omniroute.dialects.json_schema import described, fit_schema
from omniroute.dialects.losses import Losses, WrittenRequest, write_native
from omniroute.dialects.tool_names import ToolNames

STOPS = 5
NEUTRAL = {"n": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0}
"""Values equal to the default: leaving them out loses nothing."""
TUNING = {
    "top_k": "topK",
    "seed": "seed",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
"""Gemini's names of tuning fields. `n` is left out: the form holds one reply only."""
MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE", "named": "ANY"}
MOST_TEMPERATURE = 2


def write_request(request: Request, *, max_output: int | None = None) -> WrittenRequest:
    """Write a request. Raise BadRequest if something that must not be lost cannot be written in this dialect.

    The model and the choice of streaming are in the URL path, not in the body.
    """
    losses, names = Losses(), Names()
    system, turns = write_contents(request.messages, request.model, losses, names)
    body: Body = {"contents": turns}
    if system:
        body["systemInstruction"] = {"parts": system}
    config: Body = {}
    for need in request.needs:
        said = write_native(need, "gemini")
        (body if "cachedContent" in said else config).update(said)
    _write_tools(request, body, losses, names)
    _write_limit(request, config, max_output, losses)
    _write_tuning(request, config, losses)
    if request.thinking is not None and (thinking := _thinking(request.thinking, request.model, losses)):
        config["thinkingConfig"] = thinking
    if request.format is not None:
        _write_format(request.format, request, config, losses)
    if request.user is not None:
        losses.add("user")
    if config:
        body["generationConfig"] = config
    for key, value in losses.foreign(request.extra, "gemini").items():
        _put(body, key, value)
    return WrittenRequest(body, losses.names, names.back)


def _put(body: Body, path: str, value: Any) -> None:
    *heads, tail = path.split(".")
    for head in heads:
        body = body.setdefault(head, {})
    body[tail] = value


def _write_tools(request: Request, body: Body, losses: Losses, names: ToolNames) -> None:
    choice = request.tool_choice
    if request.parallel is False:
        losses.add("parallel")
    if not request.tools:
        if choice is not None and choice.mode != "none":
            losses.add("tool_choice")
        return
    functions = [_function(tool, losses, names) for tool in request.tools if isinstance(tool, Tool)]
    tools = [{"functionDeclarations": functions}] if functions else []
    body["tools"] = tools + [write_native(tool, "gemini") for tool in request.tools if isinstance(tool, Native)]
    if choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _choice(choice, names)}


def _function(tool: Tool, losses: Losses, names: ToolNames) -> Body:
    body: Body = {"name": names.fit(tool.name)}
    if tool.description:
        body["description"] = tool.description
    if tool.parameters is not None:
        schema = fit_schema(tool.parameters, losses, "tools.parameters.")
        body["parametersJsonSchema"] = {"type": "object"} | schema
    if tool.strict:
        losses.add("tools.strict")
    return body | losses.foreign(tool.extra, "gemini", "tools.")


def _choice(choice: ToolChoice, names: ToolNames) -> Body:
    """Return the function calling config; only the modes ANY and VALIDATED take function names."""
    allowed = [names.fit(name) for name in ((choice.name,) if choice.name is not None else choice.allowed)]
    if not allowed:
        return {"mode": MODES[choice.mode]}
    return {"mode": "VALIDATED" if choice.mode == "auto" else "ANY", "allowedFunctionNames": allowed}


def _write_limit(request: Request, config: Body, max_output: int | None, losses: Losses) -> None:
    if (limit := request.max_output) is None:
        return
    if max_output is not None and limit > max_output:
        losses.add("max_output")
        limit = max_output
    config["maxOutputTokens"] = limit


def _write_tuning(request: Request, config: Body, losses: Losses) -> None:
    if request.temperature is not None:
        config["temperature"] = min(request.temperature, MOST_TEMPERATURE)
        if request.temperature > MOST_TEMPERATURE:
            losses.add("temperature")
    if request.top_p is not None:
        config["topP"] = request.top_p
    if stops := [stop for stop in request.stop if stop][:STOPS]:
        config["stopSequences"] = stops
    if len(stops) < len(request.stop):
        losses.add("stop")
    for key, value in request.tuning.items():
        if key in TUNING and value is not False:
            config[TUNING[key]] = value
        elif key not in NEUTRAL or value != NEUTRAL[key]:
            losses.add(key)


def _thinking(thinking: Thinking, model: str, losses: Losses) -> Body:
    """Return the `thinkingConfig` fields as the model's family supports them; empty if none."""
    if not capabilities.thinks(model):
        if thinking.mode != "off":
            losses.add("thinking")
        return {}
    if thinking.mode == "off":
        if not capabilities.can_stop_thinking(model):
            losses.add("thinking")
        return capabilities.least(model)
    shown: Body = {"includeThoughts": True}
    if thinking.mode == "budget" and thinking.budget is not None:
        if (budget := capabilities.fit_budget(model, thinking.budget)) < thinking.budget:
            losses.add("thinking.budget_tokens")
        return shown | {"thinkingBudget": budget}
    if thinking.effort is None:
        return shown | {"thinkingBudget": -1}
    if capabilities.takes_levels(model):
        return shown | {"thinkingLevel": capabilities.level(model, thinking.effort)}
    return shown | {"thinkingBudget": capabilities.budget(model, thinking.effort)}


def _write_format(wanted: Format, request: Request, config: Body, losses: Losses) -> None:
    if request.tools and not capabilities.takes_format_with_tools(request.model):
        losses.add("format")
        return
    config["responseMimeType"] = "application/json"
    if wanted.schema:
        config["responseJsonSchema"] = fit_schema(described(wanted), losses, "format.schema.")
