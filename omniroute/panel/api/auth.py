"""Routes for logging in and out and for the authentication status."""

import asyncio

from pydantic import Field

from omniroute.errors import NotAllowed
from omniroute.panel.routes import Body, Call, get, post
from omniroute.store.state import password, sessions


class LogIn(Body):
    password: str = Field(min_length=1, max_length=password.LONGEST)


class Done(Body):
    success: bool


class Status(Body):
    authenticated: bool
    require_login: bool
    has_password: bool


class Required(Body):
    require_login: bool = Field(description="As the environment says: OMNIROUTE_REQUIRE_LOGIN.")
    has_password: bool
    setup_complete: bool


@post("/api/auth/login", "Log in with the password; the session comes as a cookie.", public=True)
async def log_in(call: Call, body: LogIn) -> Done:
    """Check the password and begin a session, ending the browser's previous one.

    Raises NotAllowed for a wrong password and RateLimited after too many wrong ones.
    """
    if not await call.door.knows_password(call.store, call.visitor.client, body.password, call.browser):
        raise NotAllowed("this is not the password: `omniroute-ctl password set` sets another", code="wrong_password")
    call.begun = await asyncio.to_thread(_begin, call)
    return Done(success=True)


def _begin(call: Call) -> str:
    if call.cookie:
        sessions.end(call.store, call.cookie)
    return sessions.begin(call.store)


@post("/api/auth/logout", "End this session.", public=True)
def log_out(call: Call) -> Done:
    if call.cookie:
        sessions.end(call.store, call.cookie)
    call.begun = ""
    return Done(success=True)


@get("/api/settings/require-login", "Say whether one has to log in at all.", public=True)
def require_login(call: Call) -> Required:
    has_password = password.is_set(call.store)
    return Required(
        require_login=call.door.settings.require_login, has_password=has_password, setup_complete=has_password
    )


@get("/api/auth/status", "Say whether one is logged in.", public=True)
def status(call: Call) -> Status:
    return Status(
        authenticated=call.visitor.authenticated,
        require_login=call.door.settings.require_login,
        has_password=password.is_set(call.store),
    )
