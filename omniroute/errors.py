"""Errors that clients get, with their HTTP status.

GatewayError           500  an internal error of the gateway
├─ BadRequest          400  the body is invalid in its dialect, or the model is unknown; may name the field
├─ NotAllowed          401  an invalid key, or a missing one
├─ Forbidden           403  the key or client lacks permission
├─ NotFound            404  unknown path
├─ TooLarge            413  the body exceeds the limit
├─ UpgradeRequired     426  a WebSocket request where none is served
├─ UpstreamFailed      502  the upstream refused, failed, or sent an invalid response; keeps its status if it had one
├─ TimedOut            504  a deadline passed
├─ RateLimited         429  carries the time to wait
└─ Exhausted           503  every target failed, or none is available
"""


class GatewayError(Exception):
    """An error that clients may see: kind and default status by class, with a message of the gateway."""

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
        """Take the message; `param` is the path of a field, `retry_after` is in seconds.

        `final` marks an error that a retry within a short time cannot resolve.
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
