"""Whether a model can take what a request asks of it, by what is known about the model."""

from dataclasses import dataclass

from omniroute.catalog.provider import Model
from omniroute.dialects.needs import Needs

SURE = 1.25
"""A request counts as too long when its estimate is so many times what the model takes: estimates err."""


@dataclass(frozen=True, slots=True)
class Misfit:
    why: str
    may_be_wrong: bool = False
    """It rests on an estimate, so that the model is asked when nobody else can be."""


def misfit(model: Model | None, needs: Needs) -> Misfit | None:
    """Say why a model cannot serve a request; None when it can, or nothing is known against it."""
    if model is None:
        return None
    if model.images is False and needs.images:
        return Misfit("takes no pictures, and the request shows one")
    if model.tools is False and needs.tools:
        return Misfit("calls no tools, and the request brings some")
    if model.context is not None and needs.exceeds(model.context * SURE):
        return Misfit(f"takes {model.context:,} tokens, and the request has about {needs.input:,}", may_be_wrong=True)
    return None
