"""Check that mitmproxy has the internals that this package builds on, before a request depends on one of them."""

from importlib import import_module

from omniroute.distribution.requirements import DependencyError, check_mitmproxy, check_modules, installed, mend

NEEDED: dict[str, tuple[str, ...]] = {
    "mitmproxy.proxy.layers.http": (
        "GetHttpConnection.connection_spec_matches",
        "HttpLayer.get_connection",
        "HttpLayer.make_stream",
        "HttpLayer.register_connection",
        "HttpLayer.event_to_child",
        "HttpStream.check_body_size",
        "HttpStream.check_killed",
        "HttpStream.handle_protocol_error",
        "HttpStream.make_server_connection",
        "HttpStream.send_response",
        "HttpStream.state_consume_request_body",
        "HttpStream.state_done",
        "HttpStream.state_errored",
        "HttpStream.state_wait_for_request_headers",
    ),
    "mitmproxy.proxy.layers.http._base": ("HttpEvent",),
    "mitmproxy.proxy.layers.http._events": ("RequestHeaders", "ResponseData", "ResponseProtocolError"),
    "mitmproxy.proxy.layers.http._hooks": ("HttpResponseHeadersHook", "HttpRequestHeadersHook"),
    "mitmproxy.proxy.commands": ("RequestWakeup", "StartHook", "CloseConnection"),
    "mitmproxy.proxy.tunnel": ("TunnelLayer.start_handshake", "TunnelLayer.receive_handshake_data"),
    "mitmproxy.proxy.server": ("ConnectionIO",),
    "mitmproxy.addonmanager": ("traverse",),
}
"""Module -> names in it. Attributes that exist on instances only are covered by the tests of this package."""


def verify() -> None:
    """Raise DependencyError for a missing dependency, and for a mitmproxy that this package does not work with."""
    check_modules()
    check_mitmproxy()
    if lacks := missing():
        text = f"mitmproxy {installed('mitmproxy')} lacks {', '.join(lacks)}, which OmniRoute builds on"
        raise DependencyError(f"{text}: run {mend('mitmproxy')}")


def missing() -> list[str]:
    """List the names that this mitmproxy lacks."""
    lacks = []
    for module, names in NEEDED.items():
        try:
            found = import_module(module)
        except ImportError:
            lacks.append(module)
            continue
        lacks += [f"{module}.{name}" for name in names if not _has(found, name)]
    return lacks


def _has(found: object, path: str) -> bool:
    for name in path.split("."):
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return True
