"""Shaping requests of Anthropic Messages."""

from typing import Any

from omniroute.dialects.claude import capabilities
from omniroute.dialects.claude.read_request import read_thinking
from omniroute.dialects.claude.write_messages import settle_sampling, write_thinking
from omniroute.dialects.ir import Body, Thinking
from omniroute.dialects.losses import Losses
from omniroute.dialects.shaping.common import before, part_before

OF_THE_CLIENT = ("x-anthropic-billing-header", "You are Claude Code, ", "You are a Claude agent, ")
"""How blocks begin in which Claude Code says what it is: Anthropic looks for them at the very front."""
LIMITS: tuple[tuple[str, ...], ...] = (("max_tokens",),)
FOR_THINKING = "clear_thinking_"
"""How the edits of `context_management` begin that are refused where a model does not think."""


def instruct(body: Body, prompt: str) -> bool:
    """Put a prompt before the client's own."""
    match body.get("system"):
        case None:
            body["system"] = [{"type": "text", "text": prompt}]
        case str(text):
            body["system"] = before(prompt, text)
        case list(blocks):
            at = next((i for i, block in enumerate(blocks) if not _of_the_client(block)), len(blocks))
            body["system"] = [*blocks[:at], *part_before(blocks[at:], {"type": "text", "text": prompt})]
    return True


def _of_the_client(block: Any) -> bool:
    return isinstance(block, dict) and str(block.get("text", "")).startswith(OF_THE_CLIENT)


def knows_budgets(model: str) -> bool:
    return capabilities.takes_budget(model)


def strip(body: Body) -> None:
    """Let the model think as much as it likes."""
    _strip(body)
    _settle_edits(body)


def think(body: Body, model: str, wanted: int | str, losses: Losses) -> None:
    """Let the model think so much, as far as the rest of the request allows."""
    said = "thinking" in body or "effort" in (body.get("output_config") or {})
    if not said and capabilities.version(model) is None:
        return  # nobody knows whether it can
    if not said and not capabilities.thinks(model):
        return
    if wanted in (0, "none"):
        _write(body, model, Thinking("off"), losses)
    elif isinstance(wanted, int):
        _write(body, model, Thinking("budget", wanted), losses)
    else:
        _write(body, model, Thinking(effort=wanted), losses)


def _write(body: Body, model: str, thinking: Thinking, losses: Losses) -> None:
    probe = {key: body[key] for key in ("messages", "max_tokens", "tool_choice") if body.get(key) is not None}
    write_thinking(thinking, model, probe, losses)
    shown = {key: value for key, value in (body.get("thinking") or {}).items() if key == "display"}
    _strip(body)
    if "thinking" in probe:
        body["thinking"] = probe["thinking"] | ({} if probe["thinking"]["type"] == "disabled" else shown)
    if "output_config" in probe:
        body["output_config"] = (body.get("output_config") or {}) | probe["output_config"]
    _settle_edits(body)
    settle_sampling(model, body, losses)


def _strip(body: Body) -> None:
    body.pop("thinking", None)
    if "effort" in (config := body.get("output_config") or {}):
        body["output_config"] = {key: value for key, value in config.items() if key != "effort"}
        if not body["output_config"]:
            del body["output_config"]


def _settle_edits(body: Body) -> None:
    """Take out what is about thinking where there is none."""
    edits = (body.get("context_management") or {}).get("edits")
    if not edits or (body.get("thinking") or {}).get("type") in {"enabled", "adaptive"}:
        return
    left = [edit for edit in edits if not str(edit.get("type")).startswith(FOR_THINKING)]
    if len(left) < len(edits):
        body["context_management"] = {**body["context_management"], "edits": left}
        if not left:
            del body["context_management"]


def fit(body: Body, model: str, losses: Losses) -> None:
    """Change what the model would refuse, though the one that the client asked for takes it."""
    if capabilities.version(model) is None:
        return
    said, effort = body.get("thinking") or {}, (body.get("output_config") or {}).get("effort")
    match said.get("type"):
        case "enabled":
            good = (
                capabilities.thinks(model)
                and capabilities.takes_budget(model)
                and said["budget_tokens"] < body["max_tokens"]
            )
        case "adaptive":
            good = capabilities.thinks_adaptively(model)
        case "disabled":
            good = not capabilities.always_thinks(model)
        case _:
            good = True
    if effort is not None:
        good = good and capabilities.takes_effort(model) and capabilities.effort(model, effort) == effort
    if not good and (thinking := read_thinking(said or None, effort)[0]) is not None:
        _write(body, model, thinking, losses)
    else:
        settle_sampling(model, body, losses)
