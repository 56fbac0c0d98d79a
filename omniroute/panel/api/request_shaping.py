"""Routes for settings applied to every request: the thinking budget and the system prompt."""

from typing import Any

from pydantic import Field
from pydantic.alias_generators import to_camel

from omniroute.config.settings import settings_of
from omniroute.errors import BadRequest
from omniroute.panel.routes import Body, Call, get, put
from omniroute.store.config import rows, settings
from omniroute.store.db.files import StoreError

PLACES = {"mode": "thinking.mode", "custom_budget": "thinking.budget", "effort_level": "thinking.effort"}
PROMPT = "system_prompt"


class Thinking(Body):
    mode: str | None = Field(None, description="`passthrough`, `auto`, `custom` or `adaptive`; null is the default.")
    custom_budget: int | None = Field(None, description="Tokens, for `custom`; 0 for none.")
    effort_level: str | None = Field(None, description="For `custom` in place of the tokens; where `adaptive` starts.")


class Prompt(Body):
    enabled: bool
    prompt: str


class NewPrompt(Body):
    enabled: bool | None = Field(None, description="False forgets the prompt.")
    prompt: str | None = None


@get("/api/settings/thinking-budget", "Say how much models are to think.")
def thinking(call: Call) -> Thinking:
    held = settings_of(rows.settings(call.store)).thinking
    return Thinking(mode=held.mode, custom_budget=held.budget, effort_level=held.effort)


@put("/api/settings/thinking-budget", "Change it; what is left out stays, null goes back to the default.")
def set_thinking(call: Call, body: Thinking) -> Thinking:
    with call.store.change():
        for field, name in PLACES.items():
            if field in body.model_fields_set:
                _set(call, name, getattr(body, field), to_camel(field))
    return thinking.run(call)  # type: ignore[no-any-return]


@get("/api/settings/system-prompt", "Say what every model is told before the client's own instructions.")
def prompt(call: Call) -> Prompt:
    held = settings_of(rows.settings(call.store)).system_prompt
    return Prompt(enabled=bool(held), prompt=held)


@put("/api/settings/system-prompt", "Change it; an empty one is none.")
def set_prompt(call: Call, body: NewPrompt) -> Prompt:
    if body.enabled is False or body.prompt == "":
        settings.unset(call.store, PROMPT)
    elif body.prompt is not None:
        _set(call, PROMPT, body.prompt, "prompt")
    elif body.enabled and not settings_of(rows.settings(call.store)).system_prompt:
        raise BadRequest("say what models are told", param="prompt")
    return prompt.run(call)  # type: ignore[no-any-return]


def _set(call: Call, name: str, value: Any, field: str) -> None:
    try:
        if value is None:
            settings.unset(call.store, name)
        else:
            settings.put(call.store, name, str(value))
    except StoreError as error:
        raise BadRequest(str(error), param=field) from error
