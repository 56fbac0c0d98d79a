"""Readiness of the gateway, for health probes."""

from typing import Any

from omniroute.errors import GatewayError
from omniroute.gateway.runtime import Runtime


def readiness(runtime: Runtime) -> dict[str, Any]:
    """Return the body of `/readyz`, `degraded` with reasons while the database takes no writes.

    Raises GatewayError with status 503 while requests are not served.
    """
    if not runtime.announced.is_set():
        raise GatewayError("the gateway is starting", status=503, retry_after=1)
    reason = runtime.store.write_health.public if runtime.store else None
    return {
        "status": "degraded" if reason else "ok",
        "revision": runtime.config.revision,
        "reasons": [reason] if reason else [],
    }
