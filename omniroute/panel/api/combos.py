"""Routes for combos and for the defaults of all combos."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.alias_generators import to_camel

from omniroute.config import model as config
from omniroute.config.deadlines import PHASES
from omniroute.config.settings import RetrySettings, Settings, settings_of
from omniroute.errors import BadRequest, NotFound
from omniroute.panel.routes import Body, Call, delete, get, patch, post, put
from omniroute.routing.plan import plan
from omniroute.store.config import combos, rows, settings, snapshot
from omniroute.store.db.files import StoreError

PLACES = {"retries": "max_retries", "retry_delay": "retry_delay_ms", "hedge": "hedge", "resume": "resume"}
PLACES |= {f"{phase}_timeout": f"{phase}_timeout_ms" for phase in PHASES}
"""Name of a combo's retry setting -> its field in `Tried`."""


class Tried(Body):
    """Retry, hedging and timeout settings of a combo; null inherits from the combo defaults."""

    max_retries: int | None = Field(None, description="How often a target is asked again before the next one.")
    retry_delay_ms: float | None = Field(None, description="Milliseconds before each of these.")
    hedge: bool | None = Field(None, description="Whether the next one is asked too when one is late.")
    resume: bool | None = Field(None, description="Whether the next one goes on with a text that has broken off.")
    queue_timeout_ms: float | None = None
    connect_timeout_ms: float | None = None
    first_byte_timeout_ms: float | None = None
    first_content_timeout_ms: float | None = None
    idle_timeout_ms: float | None = None
    total_timeout_ms: float | None = None


class Step(Body):
    model: str
    weight: float = Field(1, description="Its share under the strategy weighted.")


def _step(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


type Steps = list[Annotated[Step, BeforeValidator(_step, json_schema_input_type=Step | str)]]


class Out(Body):
    target: str
    why: str


class Combo(Body):
    name: str
    models: list[Step]
    strategy: str | None = Field(description="Null is as for all combos.")
    config: Tried
    targets: list[str] = Field(description="Who can be asked now, in the order of this moment.")
    left_out: list[Out]


class Combos(Body):
    combos: list[Combo]


class Whole(Body):
    models: Steps = Field(description="Models, or other combos; a text is a model with the weight 1.")
    strategy: str | None = None
    config: Tried = Tried.model_validate({})


class NewCombo(Whole):
    name: str


class Change(Whole):
    """A change of a combo; omitted fields keep their values."""

    models: Steps = Field([])


class All(Tried):
    strategy: str | None = Field(None, description="Of combos that have none of their own.")


class Defaults(Body):
    combo_defaults: All = Field(description="Null in an answer: as for requests to no combo; in a change: the default.")


@get("/api/combos", "List the combos, and who could be asked of each now.")
def list_(call: Call) -> Combos:
    held = snapshot.load(call.store)
    return Combos(combos=[_shown(each, held) for each in held.combos.values()])


@post("/api/combos", "Add a combo.", status=201)
def create(call: Call, body: NewCombo) -> Combo:
    with _at_its_field():
        combos.add(call.store, body.name, *_models(body), tries=_tries(body.config, RetrySettings()))
    return _show(call, body.name)


@get("/api/combos/{name}", "Show a combo. A slash in its name is written %2F.")
def show(call: Call) -> Combo:
    return _show(call, call.path["name"])


@put("/api/combos/{name}", "Say anew what a combo is.")
def replace_(call: Call, body: Whole) -> Combo:
    return _edit(
        call, lambda before: config.Combo(before.name, *_models(body), tries=_tries(body.config, RetrySettings()))
    )


@patch("/api/combos/{name}", "Change what is said of a combo.")
def change(call: Call, body: Change) -> Combo:
    said = body.model_fields_set

    def changed(before: config.Combo) -> config.Combo:
        models, strategy, weights = _models(body)
        made = replace(before, models=models, weights=weights) if "models" in said else before
        made = replace(made, strategy=strategy) if "strategy" in said else made
        return replace(made, tries=_tries(body.config, before.tries))

    return _edit(call, changed)


@delete("/api/combos/{name}", "Remove a combo.", status=204)
def remove(call: Call) -> None:
    combos.remove(call.store, _found(call).name)


@get("/api/settings/combo-defaults", "Show what holds for combos that say nothing else themselves.")
def defaults(call: Call) -> Defaults:
    return _defaults(settings_of(rows.settings(call.store)))


@patch("/api/settings/combo-defaults", "Change it; what is left out stays, null goes back to the default.")
def set_defaults(call: Call, body: Defaults) -> Defaults:
    said = body.combo_defaults
    with call.store.change():
        for what, field in ({"strategy": "strategy"} | PLACES).items():
            if field in said.model_fields_set:
                _set(call, f"combo.{what}", field, getattr(said, field))
    return defaults.run(call)  # type: ignore[no-any-return]


def _set(call: Call, name: str, field: str, value: Any) -> None:
    try:
        if value is None:
            settings.unset(call.store, name)
        else:
            settings.put(call.store, name, _text(value, field))
    except StoreError as error:
        raise BadRequest(str(error), param=f"comboDefaults.{to_camel(field)}") from error


def _text(value: Any, field: str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value / 1000:.10g}" if field.endswith("_ms") else str(value)


def _defaults(held: Settings) -> Defaults:
    own = held.combo
    tries = RetrySettings(own.retries, own.retry_delay, own.hedge, own.resume, own.deadlines)
    return Defaults(combo_defaults=All(strategy=own.strategy, **_tried(tries).model_dump()))


def _edit(call: Call, changed: Any) -> Combo:
    with _at_its_field():
        combos.edit(call.store, _found(call).name, changed)
    return _show(call, call.path["name"])


def _found(call: Call) -> config.Combo:
    try:
        return combos.find(call.store, call.path["name"])
    except StoreError as error:
        raise NotFound(str(error)) from error


def _show(call: Call, name: str) -> Combo:
    held = snapshot.load(call.store)
    if name not in held.combos:
        raise NotFound(f"there is no combo {name[:100]!r}")
    return _shown(held.combos[name], held)


def _shown(combo: config.Combo, held: config.Config) -> Combo:
    planned = plan(combo.name, held, client=None)
    return Combo(
        name=combo.name,
        models=[Step(model=model, weight=combo.weights.get(model, 1)) for model in combo.models],
        strategy=combo.strategy,
        config=_tried(combo.tries),
        targets=[f"{each.name} by {each.account.name}" for each in planned.targets],
        left_out=[Out(target=each.name, why=each.reason) for each in planned.excluded],
    )


def _models(body: Whole) -> tuple[tuple[str, ...], str | None, Mapping[str, float]]:
    weights = {each.model: each.weight for each in body.models if each.weight != 1}
    return tuple(each.model for each in body.models), body.strategy, weights


def _tries(said: Tried, before: RetrySettings) -> RetrySettings:
    """Merge the given fields into the previous settings, converting milliseconds to seconds; null removes a value."""
    given = {what: getattr(said, field) for what, field in PLACES.items() if field in said.model_fields_set}
    seconds = {what: value if value is None else value / 1000 for what, value in given.items() if _is_time(what)}
    held = {f"{phase}_timeout": wait for phase, wait in before.deadlines.items()} | seconds
    return RetrySettings(
        given.get("retries", before.retries),
        seconds.get("retry_delay", before.retry_delay),
        given.get("hedge", before.hedge),
        given.get("resume", before.resume),
        {phase: wait for phase in PHASES if (wait := held.get(f"{phase}_timeout")) is not None},
    )


def _tried(tries: RetrySettings) -> Tried:
    waits = {"retry_delay": tries.retry_delay} | {f"{phase}_timeout": wait for phase, wait in tries.deadlines.items()}
    ms = {PLACES[what]: None if wait is None else round(wait * 1000, 3) for what, wait in waits.items()}
    return Tried(max_retries=tries.retries, hedge=tries.hedge, resume=tries.resume, **ms)


def _is_time(what: str) -> bool:
    return PLACES[what].endswith("_ms")


@contextmanager
def _at_its_field() -> Iterator[None]:
    """Convert a StoreError about a retry setting to a BadRequest that names its field in the request."""
    try:
        yield
    except StoreError as error:
        if error.field.startswith("tries."):
            field = to_camel(PLACES[error.field.removeprefix("tries.")])
            raise BadRequest(str(error), param=f"config.{field}") from error
        raise
