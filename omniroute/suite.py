"""The addons in the order in which a request meets them."""

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
    """Make a fresh suite; called anew each time mitmproxy reloads the script.

    Raises DependencyError for a mitmproxy that the HTTP layer does not work with.
    """
    seam.verify()
    runtime = runtime or Runtime()
    return [
        Lifecycle(runtime),  # options in; opens and closes what is shared
        Connections(runtime),  # bounds the connections of clients, watches the event loop
        HttpLayer(runtime),  # puts our HTTP layer on the port
        Intake(runtime),  # claims flows, takes the client's key out of them, reads the path
        Access(runtime),  # who is asking
        RequestBody(runtime),  # which model is asked
        CountTokens(runtime),  # how long is it
        Models(runtime),  # what can be asked for
        Conversations(runtime),  # which reply does it go on from; keeps the new one
        Cache(runtime),  # was it answered before, or is it being answered now
        Dispatch(runtime),  # plans; writes each attempt into the flow
        Hedging(runtime),  # asks a second target beside one that is late
        Meter(runtime),  # what it cost
        Monitor(runtime),  # who wants to see it pass
        Panel(runtime),  # how a person and a program see and steer it
        Views(runtime),  # how mitmproxy shows it
    ]
