"""Whether the gateway serves requests, as health probes ask."""

from typing import Any

from omniroute.errors import GatewayError
from omniroute.runtime import Runtime


def readiness(runtime: Runtime) -> dict[str, Any]:
    """Return the body of `/readyz`; GatewayError with status 503 while requests are not served."""
    if not runtime.announced.is_set():
        raise GatewayError("the gateway is starting", status=503, retry_after=1)
    return {"status": "ok", "revision": runtime.config.revision}
