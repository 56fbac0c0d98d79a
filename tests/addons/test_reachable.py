"""When keys are needed always: where others than this machine can reach a port."""

import pytest
from mitmproxy.test import taddons

from omniroute.addons.lifecycle import Lifecycle
from omniroute.gateway.runtime import Runtime

TO = "reverse:http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("modes", "host", "needed"),
    [
        (["regular"], "", False),
        (["regular"], "127.0.0.1", False),
        (["regular"], "0.0.0.0", True),
        ([f"{TO}@127.0.0.1:20128"], "", False),
        ([f"{TO}@localhost:20128"], "", False),
        ([f"{TO}@20128"], "127.0.0.1", False),
        ([f"{TO}@20128"], "::1", False),
        ([f"{TO}@20128"], "", True),
        ([TO], "", True),
        ([f"{TO}@0.0.0.0:20128"], "127.0.0.1", True),
        ([f"{TO}@127.0.0.1:20128", f"{TO}@192.0.2.1:20129"], "", True),
    ],
)
def test_where_others_come_to_a_key_is_needed(
    modes: list[str], host: str, needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOSTNAME", "REQUIRE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    runtime = Runtime()
    lifecycle = Lifecycle(runtime)
    with taddons.context(lifecycle, loadcore=False) as context:
        context.configure(lifecycle, mode=modes, listen_host=host)
        assert runtime.limits.require_key == needed
