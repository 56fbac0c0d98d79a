"""Kept replies: sealed, bounded, each its owner's alone, and there as soon as they are handed over."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.dialects.responses.conversation import StoredConversation
from omniroute.errors import BadRequest, GatewayError, TooLarge
from omniroute.store.db.database import Store
from omniroute.store.db.history_tables import KeptItem, KeptReply
from omniroute.store.db.writer import Writer
from omniroute.store.state import conversation_keeper as keeping
from omniroute.store.state import conversations
from omniroute.store.state.conversation_keeper import ConversationKeeper, PendingTurn
from omniroute.store.state.conversations import StoredReply

TTL, MOST = 3600.0, 1 << 20
PATIENCE = 20.0
NOW = 1_700_000_000.0


def kept(exchange: str, *, parent: str | None = None, root: str | None = None, **change: Any) -> StoredReply:
    return StoredReply(
        **{
            "exchange": exchange,
            "conversation": root or exchange,
            "parent": parent,
            "id": f"resp_{exchange}",
            "owner": "key",
            "account": "acc",
            "native": False,
            "at": NOW,
            "content": json.dumps({"input": [exchange], "response": {"output": []}}).encode(),
            "items": (f"msg_{exchange}",),
        }
        | change
    )


def put(store: Store, one: StoredReply, expires: float = NOW + TTL) -> StoredReply:
    conversations.keep(store, one, conversations.seal(store, one), expires)
    return one


def same(found: StoredReply | None, one: StoredReply) -> bool:
    return found is not None and all(
        getattr(found, name) == getattr(one, name) for name in ("exchange", "parent", "id", "owner", "content")
    )


# On the disk


def test_a_reply_is_found_by_its_id_and_by_its_items(store: Store) -> None:
    one = put(store, kept("a"))
    assert same(conversations.find(store, "resp_a", "key", NOW), one)
    assert same(conversations.find_item(store, "msg_a", "key", NOW), one)
    assert conversations.find(store, "resp_b", "key", NOW) is None


def test_a_reply_is_its_owners_alone(store: Store) -> None:
    put(store, kept("a", owner="one"))
    for other in ("two", ""):
        assert conversations.find(store, "resp_a", other, NOW) is None
        assert conversations.find_item(store, "msg_a", other, NOW) is None
        assert conversations.is_anothers(store, "resp_a", other, NOW)
        assert conversations.forget(store, "resp_a", other) == 0
    assert not conversations.is_anothers(store, "resp_a", "one", NOW)
    mine = put(store, kept("b", owner="two", id="resp_a"))
    assert same(conversations.find(store, "resp_a", "two", NOW), mine)


def test_nothing_that_was_said_can_be_read_on_the_disk(store: Store) -> None:
    secret = b"the-secret-of-the-house"
    put(store, kept("a", content=b'{"input": ["' + secret + b'"]}'))
    store.close()
    for path in store.path.parent.glob("storage.sqlite*"):
        assert secret not in path.read_bytes()


def test_a_row_that_was_moved_does_not_open(store: Store) -> None:
    put(store, kept("a"))
    put(store, kept("b"))
    sealed = store.rows(KeptReply.select().where(KeptReply.exchange == "a"))[0]["content"]
    with store.change():
        store.run(KeptReply.update(content=sealed).where(KeptReply.exchange == "b"))
    with pytest.raises(Exception, match="cannot be decrypted"):
        conversations.find(store, "resp_b", "key", NOW)


def test_the_newest_of_two_with_one_id_is_meant_and_the_other_stays_a_part_of_its_conversation(store: Store) -> None:
    first = put(store, kept("a", id="resp_x", at=NOW))
    second = put(store, kept("b", id="resp_x", at=NOW + 1, parent="a", root="a"))
    assert same(conversations.find(store, "resp_x", "key", NOW + 2), second)
    line = conversations.line(store, "b")
    assert [one.exchange for one in line] == ["b", "a"]
    assert same(line[1], first)


def test_a_conversation_lives_as_long_as_its_newest_reply(store: Store) -> None:
    put(store, kept("a"), expires=NOW + 10)
    put(store, kept("b", parent="a", root="a"), expires=NOW + 20)
    put(store, kept("c"), expires=NOW + 15)
    assert conversations.find(store, "resp_a", "key", NOW + 19)
    assert conversations.find(store, "resp_c", "key", NOW + 15) is None, (
        "what has expired is not served, though it is there"
    )
    assert conversations.trim(store, NOW + 15, MOST) == 1
    assert conversations.count(store)[0] == 2
    assert conversations.trim(store, NOW + 20, MOST) == 1
    assert conversations.count(store) == (0, 0)
    assert store.rows(KeptItem.select()) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=25), st.integers(2_000, 6_000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_oldest_conversations_go_first_and_the_bound_holds(
    store: Store, sizes: list[tuple[int, int]], most: int
) -> None:
    conversations.forget_all(store)
    last: dict[str, float] = {}
    for number, (conversation, size) in enumerate(sizes):
        root, moment = f"c{conversation}", NOW + number
        noise = json.dumps({"input": [f"{number * 7919 + i:x}" for i in range(size)]}).encode()
        put(store, kept(f"x{number}", root=root, content=noise), expires=moment + TTL)
        last[root] = moment
    before = conversations.count(store)[1]
    conversations.trim(store, NOW, most)
    after = conversations.count(store)[1]
    assert after <= most - most // conversations.SPARE
    left = {row["conversation"] for row in store.rows(KeptReply.select(KeptReply.conversation).distinct())}
    gone = last.keys() - left
    assert not gone or before > most - most // conversations.SPARE
    assert all(last[old] <= last[young] for old in gone for young in left)


def test_deleting_keeps_what_goes_on_from_it(store: Store) -> None:
    put(store, kept("a"))
    put(store, kept("b", parent="a", root="a"))
    put(store, kept("c", parent="b", root="a"))
    assert conversations.forget(store, "resp_b", "key") == 1
    assert conversations.find(store, "resp_b", "key", NOW) is None
    assert conversations.find_item(store, "msg_b", "key", NOW) is None
    assert conversations.forget(store, "resp_b", "key") == 0
    assert [one.exchange for one in conversations.line(store, "c")] == ["c", "b", "a"]
    assert conversations.forget(store, "resp_c") == 1
    # Nothing needs it any more, so it is gone for good.
    assert [row["exchange"] for row in store.rows(KeptReply.select())] == ["a"]
    assert conversations.forget(store, "resp_a") == 1
    assert conversations.count(store) == (0, 0)


def test_forgetting_everything(store: Store) -> None:
    for name in "abc":
        put(store, kept(name))
    assert [one.id for one in conversations.shown(store)] == ["resp_a", "resp_b", "resp_c"]
    assert conversations.forget_all(store) == 3
    assert conversations.shown(store) == []


def test_a_line_is_no_longer_than_one_may_be(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST_TURNS", 3)
    for number in range(6):
        put(store, kept(str(number), parent=str(number - 1) if number else None, root="0"))
    assert [one.exchange for one in conversations.line(store, "5")] == ["5", "4", "3", "2"]


# In the keeper


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    """A writer that takes jobs and has not begun: its thread starts when a test says so."""
    made = Writer(store, window=0.0)
    yield made
    made.close(PATIENCE)


@pytest.fixture
def keeper(store: Store, writer: Writer) -> Iterator[ConversationKeeper]:
    made = ConversationKeeper(store, writer, wall=lambda: NOW)
    yield made
    made.close()


def draft(exchange: str, recalled: StoredConversation | None = None, **change: Any) -> PendingTurn:
    reply = {"id": f"resp_{exchange}", "status": "completed", "output": [{"type": "message", "id": f"msg_{exchange}"}]}
    return PendingTurn(
        **{
            "exchange": exchange,
            "owner": "key",
            "account": "acc",
            "native": False,
            "input": [{"role": "user", "content": exchange}],
            "recalled": recalled,
            "ending": json.dumps({"response": reply} if change.pop("stream", False) else reply).encode(),
            "size": 100,
        }
        | change
    )


def goes_on(keeper: ConversationKeeper, previous: str, owner: str = "key") -> StoredConversation:
    return keeper.recall(previous, (), owner).result(PATIENCE)


@pytest.mark.parametrize("when", ["before it is written", "after"])
def test_a_conversation_is_there_at_once_and_after_the_commit(
    keeper: ConversationKeeper, writer: Writer, when: str
) -> None:
    if when == "after":
        writer.start()
    recalled = None
    for exchange in "abc":
        keeper.keep(draft(exchange, recalled), ttl=TTL, most=MOST)
        recalled = goes_on(keeper, f"resp_{exchange}")
        assert recalled.place == (exchange, "a")
        if when == "after":
            writer.submit(lambda: None).result(PATIENCE)
    assert recalled
    assert recalled.place
    turns = keeper.turns(recalled.place, MOST).result(PATIENCE)
    assert turns
    assert [turn.input[0]["content"] for turn in turns] == ["a", "b", "c"]
    items = keeper.recall(None, ["msg_b", "msg_z"], "key").result(PATIENCE).found
    assert {name: turn.input[0]["content"] for name, turn in items.items()} == {"msg_b": "b"}
    shown = keeper.show("resp_b", "key").result(PATIENCE)
    assert shown
    assert shown["id"] == "resp_b"
    if when != "after":
        writer.start()


@pytest.mark.parametrize("when", ["before it is written", "after"])
def test_a_reply_is_its_owners_at_once(keeper: ConversationKeeper, writer: Writer, when: str) -> None:
    keeper.keep(draft("a"), ttl=TTL, most=MOST)
    if when == "after":
        writer.start()
        writer.submit(lambda: None).result(PATIENCE)
    with pytest.raises(BadRequest, match="not found"):
        goes_on(keeper, "resp_a", "another")
    assert goes_on(keeper, "resp_a").place == ("a", "a")
    if when != "after":
        writer.start()


def test_half_on_the_disk_half_on_the_way(keeper: ConversationKeeper, store: Store) -> None:
    first = draft("a")
    content = json.dumps({"input": first.input, "response": json.loads(first.ending)}).encode()
    put(store, kept("a", content=content))
    keeper.keep(draft("b", goes_on(keeper, "resp_a")), ttl=TTL, most=MOST)
    turns = keeper.turns(("b", "a"), MOST).result(PATIENCE)
    assert turns
    assert [turn.input[0]["content"] for turn in turns] == ["a", "b"]


def test_another_keys_reply_is_refused_and_an_unknown_one_is_not_known(
    keeper: ConversationKeeper, writer: Writer
) -> None:
    writer.start()
    keeper.keep(draft("a"), ttl=TTL, most=MOST)
    goes_on(keeper, "resp_a")
    writer.submit(lambda: None).result(PATIENCE)
    with pytest.raises(BadRequest, match="Previous response with id 'resp_a' not found"):
        goes_on(keeper, "resp_a", owner="another")
    assert goes_on(keeper, "resp_z") == StoredConversation("resp_z")
    assert keeper.show("resp_a", "another").result(PATIENCE) is None
    assert keeper.forget("resp_a", "another").result(PATIENCE) == 0
    assert keeper.forget("resp_a", "key").result(PATIENCE) == 1
    assert goes_on(keeper, "resp_a") == StoredConversation("resp_a")


def test_what_goes_on_from_something_unknown_is_never_taken_for_whole(
    keeper: ConversationKeeper, writer: Writer
) -> None:
    writer.start()
    keeper.keep(draft("b", StoredConversation("resp_elsewhere"), native=True), ttl=TTL, most=MOST)
    recalled = goes_on(keeper, "resp_b")
    assert recalled.place == ("b", "b")
    assert recalled.answered == "acc"
    assert keeper.turns(("b", "b"), MOST).result(PATIENCE) is None
    assert keeper.turns_of("resp_b", "key", MOST).result(PATIENCE), "its own input can be shown all the same"


def test_a_conversation_that_is_too_long_is_refused(
    keeper: ConversationKeeper, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.start()
    monkeypatch.setattr(conversations, "MOST_TURNS", 2)
    recalled = None
    for exchange in "abc":
        keeper.keep(draft(exchange, recalled), ttl=TTL, most=MOST)
        recalled = goes_on(keeper, f"resp_{exchange}")
    with pytest.raises(GatewayError, match="over 2 turns"):
        keeper.turns(("c", "a"), MOST).result(PATIENCE)
    with pytest.raises(TooLarge, match="over 100 bytes"):
        keeper.turns(("b", "a"), 100).result(PATIENCE)


@pytest.mark.parametrize("ending", [b"", b"{", b"[]", b'{"id": "r", "status": "failed", "output": []}'])
def test_what_is_no_whole_reply_is_not_kept_and_troubles_nobody(
    keeper: ConversationKeeper, writer: Writer, ending: bytes
) -> None:
    writer.start()
    keeper.keep(draft("a", ending=ending), ttl=TTL, most=MOST)
    assert goes_on(keeper, "resp_a").place is None
    keeper.keep(draft("b"), ttl=TTL, most=MOST)
    assert goes_on(keeper, "resp_b").place


def test_a_disk_that_fails_is_complained_of_once(
    keeper: ConversationKeeper, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    writer.start()
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, keeping.__name__):
        patch.setattr(conversations, "keep", full)
        for exchange in "abc":
            keeper.keep(draft(exchange), ttl=TTL, most=MOST)
        goes_on(keeper, "resp_a")
        writer.submit(lambda: None).result(PATIENCE)
    assert [record.name for record in caplog.records].count(keeping.__name__) == 1
    assert goes_on(keeper, "resp_a").place is None
    keeper.keep(draft("d"), ttl=TTL, most=MOST)
    assert goes_on(keeper, "resp_d").place


def test_a_writer_that_takes_no_more_leaves_nothing_behind(keeper: ConversationKeeper, writer: Writer) -> None:
    writer.close(PATIENCE)
    keeper.keep(draft("a"), ttl=TTL, most=MOST)
    assert goes_on(keeper, "resp_a").place is None
    keeper.close()
    keeper.keep(draft("b"), ttl=TTL, most=MOST)
    assert keeper._weight == 0


def test_what_waits_for_the_disk_is_bounded(
    keeper: ConversationKeeper, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "MOST_WAITING", 250)
    for exchange in "abc":
        keeper.keep(draft(exchange), ttl=TTL, most=MOST)
    assert goes_on(keeper, "resp_b").place
    assert goes_on(keeper, "resp_c").place is None
    assert "200 bytes of replies wait" in caplog.text
    writer.start()
    writer.submit(lambda: None).result(PATIENCE)
    keeper.keep(draft("d"), ttl=TTL, most=MOST)
    assert goes_on(keeper, "resp_d").place


@given(sizes=st.lists(st.integers(0, 6_000), max_size=20), most=st.integers(1_500, 20_000))
@settings(max_examples=15, deadline=None)
def test_the_disk_never_holds_more_than_the_bound(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], most: int
) -> None:
    """As the keeper writes it: nobody calls `trim` from outside."""
    store = Store(tmp_path_factory.mktemp("bound"), clock=lambda: NOW, environ={})
    keeper = ConversationKeeper(store, Writer(store), wall=lambda: NOW)
    try:
        for number, size in enumerate(sizes):
            sealed = b"x" * min(size, most)
            keeper._put(kept(str(number)), sealed, NOW + number, most)
            assert conversations.count(store)[1] <= most
    finally:
        keeper.close()
        store.close()


def test_restart(open_store: Callable[..., Store]) -> None:
    store = open_store()
    writer = Writer(store)
    writer.start()
    keeper = ConversationKeeper(store, writer, wall=lambda: NOW)
    keeper.keep(draft("a"), ttl=TTL, most=MOST)
    keeper.close()
    writer.close(PATIENCE)
    store.close()
    again = open_store()
    keeper = ConversationKeeper(again, Writer(again), wall=lambda: NOW)
    assert goes_on(keeper, "resp_a").place == ("a", "a")
    keeper.close()
