"""The addons, in the order in which they handle a request."""

from omniroute.addons.access import Access
from omniroute.addons.body import RequestBody
from omniroute.addons.cache import Cache
from omniroute.addons.client_connections import Connections
from omniroute.addons.conversations import Conversations
from omniroute.addons.count_tokens import CountTokens
from omniroute.addons.dispatch import Dispatch
from omniroute.addons.hedging import Hedging
from omniroute.addons.http_layer import HttpLayer
from omniroute.addons.intake import Intake
from omniroute.addons.lifecycle import Lifecycle
from omniroute.addons.meter import Meter
from omniroute.addons.models import Models
from omniroute.addons.monitor import Monitor
from omniroute.addons.panel import Panel
from omniroute.addons.views import Views
from omniroute.gateway.runtime import Runtime
from omniroute.mitm import seam


def build(runtime: Runtime | None = None) -> list[object]:
    """Build a new suite of addons; called each time mitmproxy reloads the script.

    Raises DependencyError for a mitmproxy version that the HTTP layer does not support.
    """
    seam.verify()
    runtime = runtime or Runtime()
    return [
        Lifecycle(runtime),  # reads options; opens and closes the runtime
        Connections(runtime),  # limits client connections, watches the event loop
        HttpLayer(runtime),  # installs our HTTP layer on the port
        Intake(runtime),  # claims flows, extracts the client's key, parses the path
        Access(runtime),  # authenticates the client
        RequestBody(runtime),  # reads the body and the requested model
        CountTokens(runtime),  # counts tokens
        Models(runtime),  # lists models
        Conversations(runtime),  # resolves the previous reply; stores the new one
        Cache(runtime),  # replays cached answers, joins identical requests
        Dispatch(runtime),  # plans; writes each attempt into the flow
        Hedging(runtime),  # starts a second attempt beside a slow one
        Meter(runtime),  # computes the cost
        Monitor(runtime),  # feeds the live monitor
        Panel(runtime),  # serves the panel and the management API
        Views(runtime),  # shows flows in mitmproxy
    ]
