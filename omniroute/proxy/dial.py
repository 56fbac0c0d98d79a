"""What a stream says to its layer, and hears from it, beyond mitmproxy's own words."""

from dataclasses import dataclass, field

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.proxy.events import Event
from mitmproxy.proxy.layers.http import GetHttpConnection
from mitmproxy.proxy.layers.http._base import HttpEvent

from omniroute.netproxy.proxy import Proxy
from omniroute.proxy.tunnel import Through


@dataclass(eq=False)
class Dial(GetHttpConnection):
    """Ask for a connection without standing still: a deadline or the client's leaving can come in between.

    A connection that has failed never matches: mitmproxy keeps it and answers every later dial with its
    error, so that a client that keeps its own connection open would never reach that host again.
    """

    blocking = False
    fresh: bool = False
    """Do not reuse an open connection."""
    proxy: Proxy | None = field(default=None, repr=False)
    """A connection through another one, or one that another password opens, is not this one."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def connection_spec_matches(self, connection: Connection) -> bool:
        """Tell whether a connection leads to the same place by the same way."""
        if self.proxy is None:
            return connection.error is None and super().connection_spec_matches(connection)
        return (
            isinstance(connection, Through)
            and connection.error is None
            and (connection.address, connection.tls, connection.proxy) == (self.address, self.tls, self.proxy)
        )


@dataclass
class Late(HttpEvent):
    """The stream's deadline has passed."""


@dataclass
class Crashed(HttpEvent):
    """Handling an event of the stream has raised an exception."""


@dataclass
class Turn(Event):
    """What a flow has waited for is there, or a person has killed it: said to its connection at any moment."""

    flow: http.HTTPFlow
