from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.model import Combo
from omniroute.config.settings import ComboDefaults, RetrySettings, Settings
from omniroute.dialects.ir import Fault
from omniroute.routing.attempt_policy import retry_delay
from omniroute.routing.failures import Failure

BUSY = Failure("status", "busy", status=503)


def combo(*tries) -> Combo:
    return Combo("mix", ("a/b",), tries=RetrySettings(*tries))


def test_only_combos_ask_again() -> None:
    rules = Settings(combo=ComboDefaults(retries=3, retry_delay=1.0))
    assert retry_delay(BUSY, None, rules, 0) is None
    assert retry_delay(BUSY, combo(), rules, 0) == 1.0


def test_what_a_combo_says_goes_before_the_rule_for_all() -> None:
    rules = Settings(combo=ComboDefaults(retries=3, retry_delay=1.0))
    own = combo(1, 0.0)
    assert retry_delay(BUSY, own, rules, 0) == 0.0
    assert retry_delay(BUSY, own, rules, 1) is None
    assert retry_delay(BUSY, combo(0), rules, 0) is None


@given(st.integers(0, 10), st.integers(0, 20))
def test_it_asks_so_often_and_no_more(retries, repeats) -> None:
    assert (retry_delay(BUSY, combo(retries), Settings(), repeats) is not None) == (repeats < retries)


def test_what_does_not_pass_is_not_asked_again() -> None:
    for status, passes in ((429, True), (500, True), (529, True), (400, False), (401, False), (404, False)):
        said = retry_delay(Failure("status", "no", status=status), combo(5), Settings(), 0)
        assert (said is not None) == passes, status
    for kind, passes in (("connect", True), ("cut", True), ("empty", True), ("deadline", False), ("unable", False)):
        assert (retry_delay(Failure(kind, "no"), combo(5), Settings(), 0) is not None) == passes, kind


def test_words_that_send_it_elsewhere_are_believed_over_the_status() -> None:
    fault = Fault("rate_limit_error", "Request too large for model: reduce the length", status=429)
    assert retry_delay(Failure("status", "429", status=429, fault=fault), combo(5), Settings(), 0) is None


def test_a_target_that_says_how_long_is_believed() -> None:
    limited = Failure("status", "later", status=429, retry_after=3.0)
    assert retry_delay(limited, combo(5, 2.9), Settings(), 0) is None
    assert retry_delay(limited, combo(5, 3.0), Settings(), 0) == 3.0
