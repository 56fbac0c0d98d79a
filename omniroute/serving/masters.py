"""mitmproxy's masters with our suite in the place where scripts stand: before mitmproxy's own choices."""

from typing import TYPE_CHECKING

from mitmproxy import master, options
from mitmproxy.addons import core, errorcheck, next_layer, proxyserver, save, tlsconfig

if TYPE_CHECKING:
    from mitmproxy.tools.web.master import WebMaster


class Suite:
    """All our addons as one, as they are when mitmproxy loads them from a script.

    mitmproxy spends as much on asking an addon of its own as most of ours take to answer.
    """

    name = "omniroute"

    def __init__(self, addons: list[object]) -> None:
        self.addons = addons


def web_master(opts: options.Options, suite: list[object]) -> "WebMaster":
    """Make mitmweb. Our hooks run before it shows or changes anything."""
    from mitmproxy.tools.web.master import WebMaster  # not at the top: the lean gateway does without

    made = WebMaster(opts)
    _insert(made, suite, before="nextlayer")
    return made


def headless_master(opts: options.Options, suite: list[object]) -> master.Master:
    """Make a master with nothing that a gateway without a window does not need."""
    made = master.Master(opts, with_termlog=True)
    made.addons.add(core.Core(), proxyserver.Proxyserver())
    made.addons.add(Suite(suite))
    made.addons.add(next_layer.NextLayer(), save.Save(), tlsconfig.TlsConfig(), errorcheck.ErrorCheck())
    return made


def _insert(made: master.Master, suite: list[object], *, before: str) -> None:
    manager = made.addons
    manager.add(Suite(suite))
    *rest, ours = manager.chain
    place = rest.index(manager.get(before))
    manager.chain = [*rest[:place], ours, *rest[place:]]
