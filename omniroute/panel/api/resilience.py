"""Routes for resilience profiles and for resetting cooldowns and circuit breakers."""

from dataclasses import asdict

from pydantic import Field

from omniroute.config.resilience_profiles import PROFILES, Resilience
from omniroute.errors import BadRequest
from omniroute.panel.api.health import Reset
from omniroute.panel.routes import Body, Call, get, patch, post
from omniroute.store.config import settings
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError


class Profiles(Body):
    profiles: dict[str, dict[str, float]] = Field(description="`apikey`, `local`, and providers with their own.")


class Change(Body):
    profiles: dict[str, dict[str, float | None]] = Field(description="Fields to set; null goes back to the default.")


class Whose(Body):
    ref: str | None = Field(
        None, description="An account's id, name or prefix, or a provider; of everybody if it is left out."
    )


@get("/api/resilience", "Show the profiles as they are set.")
def show(call: Call) -> Profiles:
    return _profiles(call.store)


@patch("/api/resilience", "Set fields of profiles or providers, all or none.")
def change(call: Call, body: Change) -> Profiles:
    with call.store.change():
        for name, fields in body.profiles.items():
            for field, value in fields.items():
                _put(call.store, name, field, "" if value is None else f"{value:.10g}")
    return _profiles(call.store)


@post("/api/resilience/reset", "Forget cool-downs and close breakers: of everybody, or of one account or provider.")
def reset(call: Call, body: Whose) -> Reset:
    settings.reset_health(call.store, [] if body.ref is None else settings.meant(call.store, body.ref))
    return Reset(ok=True, message="All is forgotten." if body.ref is None else f"{body.ref} is as good as new.")


def _put(store: Store, name: str, field: str, text: str) -> None:
    try:
        settings.put_resilience(store, name, {field: text})
    except StoreError as error:
        raise BadRequest(str(error), param=f"profiles.{name}.{field}") from error


def _profiles(store: Store) -> Profiles:
    own = Resilience(settings.of_resilience(store))
    found = {name: asdict(own.of(name)) for name in PROFILES}
    return Profiles(profiles=found | {n: dict(values) for n, values in own.own.items() if n not in PROFILES})
