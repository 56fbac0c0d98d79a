"""A visit is known by its connection, once, and by nothing else."""

from omniroute.access.client_address import NO_CLIENT
from omniroute.gateway.self_requests import InternalRequest, InternalRequests

NEAR, FAR = ("127.0.0.1", 50000), ("127.0.0.1", 20128)


def test_it_is_good_for_one_request() -> None:
    visits, visit = InternalRequests(), InternalRequest(NO_CLIENT)
    visits.expect(NEAR, FAR, visit)
    assert visits.take(NEAR, FAR, "1") is visit
    assert visit.exchange == "1"
    assert visit.begun.is_set()
    assert visits.take(NEAR, FAR, "2") is None


def test_any_other_connection_is_not_it() -> None:
    visits = InternalRequests()
    visits.expect(NEAR, FAR, InternalRequest(NO_CLIENT))
    others = [(("127.0.0.1", 50001), FAR), (("127.0.0.2", 50000), FAR), (NEAR, ("127.0.0.2", 20128)), (FAR, NEAR)]
    assert [visits.take(near, far, "x") for near, far in others] == [None] * 4


def test_what_has_ended_is_known_no_more() -> None:
    visits, visit = InternalRequests(), InternalRequest(NO_CLIENT)
    visits.expect(NEAR, FAR, visit)
    visits.forget(visit)
    assert visits.take(NEAR, FAR, "1") is None


def test_the_ways_to_write_an_address() -> None:
    visits, visit = InternalRequests(), InternalRequest(NO_CLIENT)
    visits.expect(("127.0.0.1", 5), ("::1%lo", 6, 0, 1), visit)
    assert visits.take(("::ffff:127.0.0.1", 5, 0, 0), ("::1", 6, 0, 0), "1") is visit
