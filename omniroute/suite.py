"""The addons in the order in which a request meets them."""

from omniroute.addons.access import Access
from omniroute.addons.body import Body
from omniroute.addons.cache import Replay
from omniroute.addons.client_connections import Connections
from omniroute.addons.conversations import Recall
from omniroute.addons.count_tokens import Count
from omniroute.addons.dispatch import Dispatch
from omniroute.addons.hedging import Hedge
from omniroute.addons.http_layer import Attach
from omniroute.addons.intake import Intake
from omniroute.addons.lifecycle import Lifecycle
from omniroute.addons.meter import Meter
from omniroute.addons.models import Listing
from omniroute.addons.monitor import Watch
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
        Attach(runtime),  # puts our HTTP layer on the port
        Intake(runtime),  # claims flows, takes the client's key out of them, reads the path
        Access(runtime),  # who is asking
        Body(runtime),  # which model is asked
        Count(runtime),  # how long is it
        Listing(runtime),  # what can be asked for
        Recall(runtime),  # which reply does it go on from; keeps the new one
        Replay(runtime),  # was it answered before, or is it being answered now
        Dispatch(runtime),  # plans; writes each attempt into the flow
        Hedge(runtime),  # asks a second target beside one that is late
        Meter(runtime),  # what it cost
        Watch(runtime),  # who wants to see it pass
        Panel(runtime),  # how a person and a program see and steer it
        Views(runtime),  # how mitmproxy shows it
    ]
