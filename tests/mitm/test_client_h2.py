"""Clients that speak HTTP/2: many requests at once on one connection."""

import json

import h2.errors
import pytest
from h2_sides import H2Client, H2Upstream
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import END, HEAD, LAST, ROLE, SAID, TEXT, chunk, chunked, sized


def stage(*hosts: str, stream: bool = True) -> tuple[Play, H2Client]:
    play = Play(ScriptedDesk(hosts or ["one", "two"], stream=stream), alpn=b"h2")
    return play, H2Client(play)


def test_an_answer() -> None:
    play, client = stage()
    first = client.ask()
    play.open().say(chunked(SAID))
    client.flush()
    assert client.heads[first][b":status"] == b"200"
    assert (client.bodies[first], client.ended) == (SAID, {first})
    assert not play.leaks()


def test_two_requests_at_once_fail_and_succeed_apart() -> None:
    play, client = stage()
    first, second = client.ask(), client.ask()
    play.open().close()
    play.open().say(chunked(SAID))
    assert play.dials[0].connection.address == ("two", 80)
    client.flush()
    assert client.ended == {second}
    play.open().say(chunked(SAID))
    client.flush()
    assert client.ended == {first, second}
    assert client.heads[first][b"route"] == b"two"
    assert client.heads[second][b"route"] == b"one"
    assert not play.leaks()


def test_two_requests_share_an_upstream_connection() -> None:
    play, client = stage("one")
    first, second = client.ask(), client.ask()
    one = H2Upstream(play.open(b"h2"))
    assert set(one.heads) == {1, 3}
    one.head(3)
    one.body(3, SAID, end=True)
    one.reset(1)
    client.flush()
    assert client.ended == {first, second}
    assert (client.heads[first][b":status"], client.heads[second][b":status"]) == (b"503", b"200")
    assert not play.leaks()


def test_a_stale_connection_is_followed_by_a_fresh_one_for_each() -> None:
    play, client = stage("one", "two")
    client.ask()
    one = H2Upstream(play.open(b"h2"))
    one.head(1)
    one.body(1, SAID, end=True)
    again = [client.ask(), client.ask()]
    one.flush()
    assert set(one.heads) == {1, 3, 5}
    one.goodbye()
    assert [dial.connection.address for dial in play.dials] == [("one", 80)] * 2
    for _ in again:
        fresh = H2Upstream(play.open(b"h2"))
        fresh.head(1)
        fresh.body(1, SAID, end=True)
    client.flush()
    assert client.ended == {1, *again}
    assert not play.leaks()


def test_one_dial_for_two_and_one_of_them_leaves() -> None:
    play, client = stage("one")
    first, second = client.ask(), client.ask()
    client.reset(first)
    assert len(play.dials) == 1
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    play.open(b"h2")
    assert set(play.layer.streams) >= {second}
    client.reset(second)
    assert (play.fired["error"], play.fired["response"]) == (2, 0)
    assert not play.leaks()


def test_a_request_that_is_cancelled_leaves_the_others_alone() -> None:
    play, client = stage("one")
    first, second = client.ask(), client.ask()
    one = play.open().say(HEAD, chunk(ROLE + TEXT))
    two = play.open().say(HEAD, chunk(ROLE + TEXT))
    client.reset(first)
    assert one.closed
    assert not two.closed
    two.say(chunk(END), LAST)
    client.flush()
    assert client.bodies[second] == SAID
    assert (play.fired["error"], play.fired["response"]) == (1, 1)
    assert not play.leaks()


def test_a_refused_upload_does_not_take_the_connection_with_it() -> None:
    play, client = stage("one")
    large = client.ask(b"x" * 1001, end=False)
    assert client.heads[large][b":status"] == b"413"
    assert json.loads(client.bodies[large])["error"]
    other = client.ask()
    one = play.open().say(HEAD, chunk(ROLE + TEXT))
    play.pass_time(10)
    client.flush()
    assert client.resets == {large: h2.errors.ErrorCodes.CANCEL}
    assert not play.left
    one.say(chunk(END), LAST)
    client.flush()
    assert client.bodies[other] == SAID
    assert not play.leaks()


def test_a_failed_stream_ends_well() -> None:
    play, client = stage()
    first = client.ask()
    play.open().say(HEAD, chunk(ROLE + TEXT)).close()
    client.flush()
    assert client.ended == {first}
    assert b"error" in client.bodies[first]


@pytest.mark.parametrize("hook", ["request", "next_attempt", "responseheaders"])
def test_a_person_may_kill_one_of_two(hook: str) -> None:
    play, client = stage()
    play.hold.add(hook)
    first, second = client.ask(), client.ask()
    peer = None if hook == "request" else play.open()
    if peer:
        peer.say(*((HEAD, chunk(ROLE + TEXT)) if hook == "responseheaders" else (sized(b"", 500),)))
    play.held[0].args()[0].kill()
    play.end_hooks()
    client.flush()
    assert set(client.resets) == {first}
    assert not peer or peer.closed
    assert [stream.stream_id for stream in play.layer.streams.values()] == [second]
    play.open().say(chunked(SAID))
    client.flush()
    assert client.ended == {second}
    assert not play.leaks()


def test_the_client_goes_with_all_its_requests() -> None:
    play, client = stage()
    for _ in range(3):
        client.ask()
    peer = play.open().say(HEAD, chunk(ROLE + TEXT))
    other = play.open()
    play.hang_up()
    assert peer.closed
    assert other.closed
    assert not play.dials
    assert (play.fired["error"], play.fired["response"]) == (3, 0)
    play.end()
    assert not play.leaks()
