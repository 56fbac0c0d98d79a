"""What can go wrong, as the client will be told.

GatewayError           500  the gateway's own fault
├─ BadRequest          400  the body is not what its dialect promises, or the model is unknown; may name the field
├─ NotAllowed          401  a wrong key, or none where one is needed
├─ Forbidden           403  the key may not do this
├─ NotFound            404  no such path
├─ TooLarge            413  the body is over the limit
├─ UpgradeRequired     426  a WebSocket where none is served
├─ UpstreamFailed      502  the upstream refused, broke or said nonsense; carries its status where there was one
├─ TimedOut            504  a deadline passed
├─ RateLimited         429  knows how long to wait
└─ Exhausted           503  every target was tried or none can be
"""


class GatewayError(Exception):
    """A failure the client may read: kind and status are the class's, the words are ours."""

    kind = "internal_error"
    status = 500

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        final: bool = False,
    ) -> None:
        """Say what happened in `message`; `param` is the path of a field, `retry_after` counts seconds.

        `final` is for what asking again does not mend before long.
        """
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.final = final
        if status is not None:
            self.status = status


class BadRequest(GatewayError):
    kind, status = "invalid_request", 400


class NotAllowed(GatewayError):
    kind, status = "not_allowed", 401


class Forbidden(GatewayError):
    kind, status = "forbidden", 403


class NotFound(GatewayError):
    kind, status = "not_found", 404


class TooLarge(GatewayError):
    kind, status = "too_large", 413


class UpgradeRequired(GatewayError):
    kind, status = "upgrade_required", 426


class UpstreamFailed(GatewayError):
    kind, status = "upstream_failed", 502


class TimedOut(GatewayError):
    kind, status = "timed_out", 504


class RateLimited(GatewayError):
    kind, status = "rate_limited", 429


class Exhausted(GatewayError):
    kind, status = "exhausted", 503
