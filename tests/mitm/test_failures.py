"""What a client reads when its stream breaks off."""

import pytest

from omniroute.dialects.ir import Fault
from omniroute.mitm.commands import fault_of
from omniroute.routing.failures import Failure, Kind


@pytest.mark.parametrize(
    ("kind", "words", "word"),
    [("cut", "connection lost", "api_error"), ("deadline", "stream timed out", "timeout_error")],
)
def test_a_broken_stream_is_told_in_words_by_which_clients_ask_again(kind: Kind, words: str, word: str) -> None:
    """Opencode asks again by these words alone, and ends its session at any others."""
    fault = fault_of(Failure(kind, "why"))
    assert (fault.kind, fault.message) == (word, f"{words}: why")


def test_the_words_of_the_upstream_itself_go_before_ours() -> None:
    told = Fault("overloaded_error", "too busy", status=529)
    assert fault_of(Failure("fault", "too busy", fault=told)) is told
