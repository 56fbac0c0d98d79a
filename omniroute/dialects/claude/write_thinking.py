"""How much Claude should think, and what may stand beside thinking."""

from omniroute.dialects.claude import models
from omniroute.dialects.ir import Body, Thinking
from omniroute.dialects.written import Losses

LEAST_BUDGET = 1024
LEAST_TOP_P = 0.95
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_000, "max": 64_000}


def write_thinking(thinking: Thinking, model: str, body: Body, losses: Losses) -> None:
    """Say how much to think, in the way that the model's family knows and that the rest of the body allows."""
    effort = thinking.effort
    if thinking.mode == "off":
        if models.always_thinks(model):
            losses.add("thinking")
            effort = effort or "low"
        elif models.thinks_unasked(model):
            body["thinking"] = {"type": "disabled"}
    elif _forced(body) or not models.thinks(model):
        if thinking.mode is not None or not models.takes_effort(model):
            losses.add("thinking")
    elif models.thinks_adaptively(model) and (thinking.mode != "budget" or not models.takes_budget(model)):
        body["thinking"] = {"type": "adaptive"}
        effort = effort or (thinking.budget and _named(thinking.budget)) or None
    else:
        _write_budget(thinking, body, losses)
    if effort is not None and models.takes_effort(model):
        body["output_config"] = {"effort": models.effort(model, effort)}
    elif effort is not None and thinking.mode is not None:
        losses.add("thinking.effort")


def _named(budget: int) -> str:
    return next((name for name, limit in BUDGETS.items() if budget <= limit), "max")


def _write_budget(thinking: Thinking, body: Body, losses: Losses) -> None:
    """Give a budget that the provider takes; the answer needs room beside it."""
    wanted = thinking.budget or BUDGETS.get(thinking.effort or "", BUDGETS["medium"])
    budget = max(wanted, LEAST_BUDGET)
    if thinking.budget is None or budget >= body["max_tokens"]:
        budget = min(budget, body["max_tokens"] * 3 // 4)
    if budget < LEAST_BUDGET or _unsigned(body["messages"]):
        losses.add("thinking")
        return
    if thinking.budget is not None and budget != thinking.budget:
        losses.add("thinking.budget_tokens")
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _forced(body: Body) -> bool:
    """Whether the answer has to begin in a way that leaves no room for thinking."""
    return body.get("tool_choice", {}).get("type") in {"any", "tool"} or body["messages"][-1]["role"] == "assistant"


def _unsigned(turns: list[Body]) -> bool:
    """Whether calls are being answered that came without signed thinking: Anthropic wants it before them."""
    if len(turns) < 2 or _begins(turns[-1]) != "tool_result":
        return False
    return _begins(turns[-2]) not in {"thinking", "redacted_thinking"}


def _begins(turn: Body) -> str:
    content = turn["content"]
    return "text" if isinstance(content, str) else str(content[0]["type"])


def settle_sampling(model: str, body: Body, losses: Losses) -> None:
    """Take out what Anthropic refuses: most ways to sample beside thinking, and of two ways the second."""
    thinking = body.get("thinking", {}).get("type") in {"enabled", "adaptive"}
    fixed = not models.takes_sampling(model)
    if fixed or (thinking and body.get("temperature", 1) != 1):
        _leave_out("temperature", body, losses, neutral=1)
    if fixed or (thinking and body.get("top_p", 1) < LEAST_TOP_P):
        _leave_out("top_p", body, losses, neutral=1)
    if fixed or thinking:
        _leave_out("top_k", body, losses)
    if "temperature" in body and models.takes_one_sampling(model):
        _leave_out("top_p", body, losses, neutral=1)


def _leave_out(key: str, body: Body, losses: Losses, neutral: int | None = None) -> None:
    if key in body and body.pop(key) != neutral:
        losses.add(key)
