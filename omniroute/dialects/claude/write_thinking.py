"""How much Claude should think, and what may stand beside thinking."""

from omniroute.dialects.claude import models
from omniroute.dialects.ir import Body, Request, Thinking
from omniroute.dialects.written import Losses

LEAST_BUDGET = 1024
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_000, "max": 64_000}


def write_thinking(thinking: Thinking, request: Request, body: Body, losses: Losses) -> None:
    """Say how much to think, in the way that the model's family knows and that the rest of the body allows."""
    model = request.model
    adaptive = models.thinks_adaptively(model)
    if thinking.mode == "off":
        if models.thinks(model):
            body["thinking"] = {"type": "disabled"}
    elif thinking.mode == "adaptive":
        body["thinking"] = {"type": "adaptive"}
    elif thinking.mode == "budget":
        body["thinking"] = {"type": "enabled", "budget_tokens": thinking.budget}
    elif adaptive and not _forced(body):
        body["thinking"] = {"type": "adaptive"}
    elif not adaptive:
        room = body["max_tokens"] * 3 // 4
        budget = min(BUDGETS.get(thinking.effort or "", BUDGETS["medium"]), room)
        if not models.thinks(model) or _forced(body) or _unsigned(body["messages"]) or budget < LEAST_BUDGET:
            losses.add("thinking")
        else:
            body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if thinking.effort is not None and (adaptive or thinking.mode is not None):
        body["output_config"] = {"effort": "low" if thinking.effort == "minimal" else thinking.effort}


def _forced(body: Body) -> bool:
    """Whether the answer has to begin in a way that leaves no room for thinking."""
    return body.get("tool_choice", {}).get("type") in {"any", "tool"} or body["messages"][-1]["role"] == "assistant"


def _unsigned(turns: list[Body]) -> bool:
    """Whether calls are being answered that came without signed thinking: Anthropic wants it before them."""
    if len(turns) < 2 or turns[-1]["content"][0]["type"] != "tool_result":
        return False
    return turns[-2]["content"][0]["type"] not in {"thinking", "redacted_thinking"}


def settle_sampling(body: Body, losses: Losses) -> None:
    """Take out what Anthropic refuses beside thinking, and of two ways to sample the second."""
    if body.get("thinking", {}).get("type") in {"enabled", "adaptive"}:
        if body.get("temperature", 1) != 1:
            losses.add("temperature")
            del body["temperature"]
        if "top_k" in body:
            losses.add("top_k")
            del body["top_k"]
        if body.get("top_p", 1) < 0.95:
            losses.add("top_p")
            del body["top_p"]
    if "temperature" in body and "top_p" in body and models.takes_one_sampling(body["model"]):
        losses.add("top_p")
        del body["top_p"]
