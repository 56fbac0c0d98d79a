"""Shaping requests of OpenAI Responses."""

from omniroute.dialects.ir import Body
from omniroute.dialects.losses import Losses
from omniroute.dialects.openai import capabilities
from omniroute.dialects.responses.read_request import SEAL
from omniroute.dialects.shaping.common import before
from omniroute.dialects.shaping.openai import nearest
from omniroute.dialects.shaping.openai import settle_sampling as settle

LIMITS: tuple[tuple[str, ...], ...] = (("max_output_tokens",),)


def instruct(body: Body, prompt: str) -> bool:
    """Put a prompt before the client's own.

    `instructions` hold for one request alone, so they are said anew also where it goes on from a kept reply.
    """
    if (said := body.get("instructions")) is None or isinstance(said, str):
        body["instructions"] = before(prompt, said or "")
        return True
    return False


def knows_budgets(model: str) -> bool:
    return False


def strip(body: Body) -> None:
    """Let the model think as much as it likes; whether it tells of it is the client's business."""
    if "effort" in (said := body.get("reasoning") or {}):
        body["reasoning"] = {key: value for key, value in said.items() if key != "effort"}
        if not body["reasoning"]:
            del body["reasoning"]


def think(body: Body, model: str, wanted: int | str, losses: Losses) -> None:
    """Let the model think so much."""
    said = body.get("reasoning") or {}
    if not capabilities.reasons(model) and "effort" not in said:
        return
    effort = nearest(model, str(wanted))
    strip(body)
    if effort is not None:
        body["reasoning"] = (body.get("reasoning") or {}) | {"effort": effort}
    elif capabilities.reasons(model):
        losses.add("reasoning.effort")
    settle(body, model, effort, losses)


def fit(body: Body, model: str, losses: Losses) -> None:
    """Change what the model would refuse, though the one that the client asked for takes it."""
    said = body.get("reasoning") or {}
    if said and not capabilities.reasons(model):
        del body["reasoning"]
    elif (effort := said.get("effort")) is not None:
        known = capabilities.effort(model, "off" if effort == "none" else effort)
        if known is None:
            strip(body)
        elif known != effort:
            body["reasoning"] = {**said, "effort": known}
    include = body.get("include") or []
    if not capabilities.reasons(model) and SEAL in include:
        body["include"] = [name for name in include if name != SEAL]
    settle(body, model, (body.get("reasoning") or {}).get("effort"), losses)
    if body.get("parallel_tool_calls") is False and not capabilities.takes_parallel(model):
        del body["parallel_tool_calls"]
