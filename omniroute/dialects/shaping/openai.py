"""Shaping requests of Chat Completions."""

from typing import Any

from omniroute.dialects.ir import Body
from omniroute.dialects.losses import Losses
from omniroute.dialects.openai import capabilities
from omniroute.dialects.openai.write_request import NEUTRAL
from omniroute.dialects.shaping.common import before, part_before

SPELLINGS = ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget")
"""OpenAI's own, and what OpenRouter, GLM and Qwen call the same."""
FOR_ALL = ("low", "medium", "high")
SAMPLING = ("temperature", "top_p", "stop", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs")
LIMITS: tuple[tuple[str, ...], ...] = (("max_tokens",), ("max_completion_tokens",))


def instruct(body: Body, prompt: str) -> bool:
    """Put a prompt before the client's own, in its message: some models take no second one."""
    messages: list[Any] = body["messages"]
    first = messages[0] if messages else {}
    match first:
        case {"role": "system" | "developer", "content": str(text)}:
            body["messages"] = [{**first, "content": before(prompt, text)}, *messages[1:]]
        case {"role": "system" | "developer", "content": list(parts)}:
            ours = {"type": "text", "text": prompt}
            body["messages"] = [{**first, "content": part_before(parts, ours)}, *messages[1:]]
        case _:
            body["messages"] = [{"role": "system", "content": prompt}, *messages]
    return True


def knows_budgets(model: str) -> bool:
    return False


def strip(body: Body) -> None:
    """Let the model think as much as it likes."""
    for name in SPELLINGS:
        body.pop(name, None)


def think(body: Body, model: str, wanted: int | str, losses: Losses) -> None:
    """Let the model think so much."""
    effort = nearest(model, str(wanted))
    if capabilities.reasons(model):
        strip(body)
        if effort is not None:
            body["reasoning_effort"] = effort
        else:
            losses.add("reasoning_effort")
        settle_sampling(body, model, effort, losses)
        return
    _say_as_the_client(body, effort)


def nearest(model: str, wanted: str) -> str | None:
    """Give the effort that comes nearest; None is to say nothing."""
    if capabilities.reasons(model):
        return capabilities.effort(model, "off" if wanted == "none" else wanted)
    return None if wanted == "none" else wanted if wanted in FOR_ALL else "low" if wanted == "minimal" else "high"


def _say_as_the_client(body: Body, effort: str | None) -> None:
    """Say it to a model of which nothing is known in the way in which its client has just done."""
    if "reasoning_effort" in body:
        body["reasoning_effort"] = effort
        if effort is None:
            del body["reasoning_effort"]
    if isinstance(body.get("reasoning"), dict):
        rest = {
            key: value for key, value in body["reasoning"].items() if key not in {"effort", "max_tokens", "enabled"}
        }
        body["reasoning"] = rest | ({"enabled": False} if effort is None else {"effort": effort})
    if isinstance(body.get("thinking"), dict):
        body["thinking"] = {"type": "disabled" if effort is None else "enabled"}
    if "enable_thinking" in body:
        body["enable_thinking"] = effort is not None
        body.pop("thinking_budget", None)


def settle_sampling(body: Body, model: str, effort: str | None, losses: Losses) -> None:
    """Take out what a model that reasons refuses."""
    if capabilities.takes_sampling(model, effort):
        return
    for name in SAMPLING:
        if body.get(name) is not None and body[name] != NEUTRAL.get(name):
            del body[name]
            losses.add(name)


def fit(body: Body, model: str, losses: Losses) -> None:
    """Change what the model would refuse, though the one that the client asked for takes it."""
    said = body.get("reasoning_effort")
    if isinstance(said, str):
        effort = capabilities.effort(model, "off" if said == "none" else said)
        if effort is None:
            del body["reasoning_effort"]
        elif said != effort:
            body["reasoning_effort"] = effort
    settle_sampling(body, model, body.get("reasoning_effort"), losses)
    if body.get("parallel_tool_calls") is False and not capabilities.takes_parallel(model):
        del body["parallel_tool_calls"]
    if capabilities.limits_all_output(model):
        _rename(body, "max_tokens", "max_completion_tokens")
    elif not capabilities.is_openais(model):
        _rename(body, "max_completion_tokens", "max_tokens")


def _rename(body: Body, name: str, to: str) -> None:
    """Say the same by the name that the model knows; nothing is lost by that."""
    if name in body:
        value = body.pop(name)
        body.setdefault(to, value)
