"""Going on from kept replies: nothing is lost, nothing is made up, and nobody gets ids or seals of others."""

import json
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.responses import conversation
from omniroute.dialects.responses.conversation import StoredConversation, StoredTurn, TurnTarget
from omniroute.dialects.translate import translate_request
from omniroute.errors import BadRequest

type Item = dict[str, Any]

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


def user(text: str) -> Item:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def said(text: str, n: int = 1) -> Item:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"id": f"msg_{n}", "type": "message", "role": "assistant", "status": "completed", "content": content}


def call(text: str, n: int = 1) -> Item:
    arguments = json.dumps({"word": text})
    head = {"id": f"fc_{n}", "type": "function_call", "status": "completed"}
    return head | {"call_id": f"call_{n}", "name": "look", "arguments": arguments}


def thought(text: str, seal: str | None = None, n: int = 1) -> Item:
    summary = [{"type": "summary_text", "text": text}]
    return {"id": f"rs_{n}", "type": "reasoning", "summary": summary, "encrypted_content": seal}


outputs = st.lists(
    st.one_of(
        st.builds(said, words, st.integers(1, 99)),
        st.builds(call, words, st.integers(1, 99)),
        st.builds(thought, words, st.sampled_from([None, "sealed"]), st.integers(1, 99)),
    ),
    max_size=3,
)
turns = st.builds(
    StoredTurn, st.lists(st.builds(user, words), max_size=2), outputs, st.sampled_from(["a", "b"]), st.booleans()
)
upstreams = st.builds(TurnTarget, st.sampled_from(["a", "b", "c"]), st.booleans(), st.booleans())
bodies = st.fixed_dictionaries(
    {"model": st.just("m"), "input": st.one_of(words, st.lists(st.builds(user, words), max_size=2))},
    optional={"instructions": words, "tools": st.just([]), "temperature": st.just(0.5)},
)


def named(turns_: tuple[StoredTurn, ...]) -> StoredConversation:
    last = turns_[-1] if turns_ else StoredTurn([], [])
    return StoredConversation("resp_1", ("x", "x"), last.account if last.native else "", turns_)


def texts(items: list[Any]) -> list[str]:
    """Say what an item says, whatever its shape."""
    found = []
    for item in items:
        content = item.get("content", item.get("arguments", item.get("summary")))
        found.append(content if isinstance(content, str) else "".join(part["text"] for part in content))
    return found


def without_reasoning(items: list[Item]) -> list[Item]:
    return [item for item in items if item["type"] != "reasoning"]


@given(turns=st.lists(turns, max_size=4).map(tuple), body=bodies, upstream=upstreams)
def test_everything_said_is_said_again_in_order(
    turns: tuple[StoredTurn, ...], body: Item, upstream: TurnTarget
) -> None:
    written = conversation.write_for(named(turns), body | {"previous_response_id": "resp_1"}, upstream)
    earlier = [item for turn in turns for item in (*turn.input, *turn.output)]
    whole = [*earlier, *conversation.items_of(body)]
    got = written.body["input"]
    assert texts(without_reasoning(got)) == texts(without_reasoning(whole))
    if not upstream.native:
        assert got == whole
    # The rest of the request is the newest one's alone.
    assert {k: v for k, v in written.body.items() if k != "input"} == {k: v for k, v in body.items() if k != "input"}


@given(turns=st.lists(turns, max_size=4).map(tuple), body=bodies, upstream=upstreams)
def test_ids_and_seals_go_back_only_to_who_made_them(
    turns: tuple[StoredTurn, ...], body: Item, upstream: TurnTarget
) -> None:
    written = conversation.write_for(named(turns), body, upstream)
    foreign = [item for turn in turns if not upstream.made(turn) for item in turn.output]
    mine = [item for turn in turns if upstream.made(turn) for item in turn.output]
    if not upstream.native:
        return
    for item in written.body["input"]:
        assert "id" not in item or item in mine
        if item["type"] == "reasoning":
            assert item in mine
            assert upstream.keeps or item["encrypted_content"]
    assert ("input.reasoning" in written.dropped) == any(item["type"] == "reasoning" for item in foreign)


@given(turns=st.lists(turns, min_size=1, max_size=4).map(tuple), body=bodies, upstream=upstreams)
def test_only_who_knows_the_last_reply_gets_the_request_as_it_came(
    turns: tuple[StoredTurn, ...], body: Item, upstream: TurnTarget
) -> None:
    recalled = named(turns)
    knows = upstream.native and upstream.keeps and turns[-1].native and turns[-1].account == upstream.account
    assert conversation.passes(recalled, upstream) == knows
    recalled.refused = True
    assert not conversation.passes(recalled, upstream)


@given(turns=st.lists(turns, min_size=1, max_size=3).map(tuple))
def test_what_is_written_is_what_another_dialect_can_read(turns: tuple[StoredTurn, ...]) -> None:
    upstream = TurnTarget("c", native=False, keeps=False)
    body = {"model": "m", "input": "and now?", "previous_response_id": "resp_1"}
    written = conversation.write_for(named(turns), body, upstream)
    told = translate_request("responses", "openai", written.body, model="m", stream=False, max_output=None)
    assert told.body["messages"][-1]["content"] == "and now?"


def test_the_same_conversation_is_written_the_same() -> None:
    """Providers cache prompts by their prefix: each turn begins as the one before it."""
    first, second = StoredTurn([user("a")], [said("b")], "x"), StoredTurn([user("c")], [call("d")], "x")
    upstream = TurnTarget("y", native=True, keeps=False)
    one = conversation.write_for(named((first,)), {"input": "c"}, upstream).body["input"]
    two = conversation.write_for(named((first, second)), {"input": "e"}, upstream).body["input"]
    assert two[:2] == one[:2]


def test_an_unknown_reply_is_for_its_own_dialect_alone() -> None:
    recalled = StoredConversation("resp_9")
    assert conversation.passes(recalled, TurnTarget("a", native=True, keeps=False))
    other = TurnTarget("a", native=False, keeps=False)
    assert not conversation.passes(recalled, other)
    with pytest.raises(BadRequest, match="Previous response with id 'resp_9' not found") as caught:
        conversation.write_for(recalled, {"input": "x"}, other)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


# References


def test_references_are_found_with_and_without_their_type() -> None:
    items = [{"type": "item_reference", "id": "msg_1"}, {"id": "rs_1"}, user("x"), {"id": "m", "role": "user"}, 3]
    assert conversation.references(items) == ["msg_1", "rs_1"]


@pytest.mark.parametrize(
    ("upstream", "reasoning", "text"),
    [
        (TurnTarget("a", native=True, keeps=True), {"type": "item_reference", "id": "rs_1"}, "item_reference"),
        (TurnTarget("b", native=True, keeps=True), None, "said"),
        (TurnTarget("a", native=False, keeps=False), thought("hm"), "said"),
    ],
    ids=["who keeps it", "another account", "another dialect"],
)
def test_a_reference_becomes_the_item_where_it_means_nothing(
    upstream: TurnTarget, reasoning: Item | None, text: str
) -> None:
    turn = StoredTurn([], [thought("hm"), said("said")], "a", native=True)
    refers = [{"type": "item_reference", "id": "rs_1"}, {"type": "item_reference", "id": "msg_1"}]
    recalled = StoredConversation(found={"rs_1": turn, "msg_1": turn})
    assert conversation.passes(recalled, upstream) == (upstream.account == "a" and upstream.native)
    items = conversation.write_for(recalled, {"input": [user("q"), *refers, user("r")]}, upstream).body["input"]
    got = items[1:-1]
    assert ([reasoning] if reasoning else []) == got[:-1]
    assert text in json.dumps(got[-1])


def test_an_unknown_reference_stays_what_it_is() -> None:
    body = {"input": [{"type": "item_reference", "id": "msg_9"}]}
    assert conversation.write_for(StoredConversation(), body, TurnTarget("a", native=True, keeps=False)).body == body
    with pytest.raises(BadRequest, match=r"input\[0\] refers to an item that is not kept here"):
        translate_request("responses", "claude", body, model="m", stream=False, max_output=None)


# What is kept


@given(turn=turns, held=st.lists(st.builds(thought, words), max_size=1))
def test_what_is_packed_is_unpacked(turn: StoredTurn, held: list[Item]) -> None:
    found = {item["id"]: StoredTurn([], held, "z", native=True) for item in held}
    response = {"id": "resp_1", "status": "completed", "output": turn.output}
    packed = conversation.pack(turn.input, found, response)
    again, reply = conversation.unpack(packed, turn.account, native=turn.native)
    assert (again.input, again.output, again.account, again.native) == (
        turn.input,
        turn.output,
        turn.account,
        turn.native,
    )
    assert (again.found, reply, again.size) == (found, response, len(packed))


WHOLE = {"id": "resp_1", "status": "completed", "output": [said("x")]}


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", ""])
def test_the_end_is_read_whole_and_streamed(end: str) -> None:
    assert conversation.read_end(json.dumps(WHOLE).encode()) == WHOLE
    frame = json.dumps({"type": "response.completed", "response": WHOLE})
    assert conversation.read_end(f"event: response.completed\ndata: {frame}{end}".encode()) == WHOLE


@pytest.mark.parametrize("change", [{"status": "queued"}, {"status": "failed"}, {"output": None}, {"id": 3}])
def test_what_cannot_be_gone_on_from_is_not_kept(change: Item) -> None:
    assert conversation.read_end(json.dumps(WHOLE | change).encode()) is None


@every(
    ("body", "kept"),
    [
        ({}, True),
        ({"store": True}, True),
        ({"store": None}, True),
        ({"store": False}, False),
        ({"conversation": "conv_1"}, False),
        ({"background": True}, False),
        ({"background": False}, True),
    ],
)
def test_the_client_says_what_is_kept(body: Item, kept: bool) -> None:
    assert conversation.is_kept(body) is kept


# The list of what led to a reply


@given(turns=st.lists(turns, min_size=1, max_size=4).map(tuple), limit=st.integers(1, 5), newest_first=st.booleans())
def test_the_pages_are_the_whole(turns: tuple[StoredTurn, ...], limit: int, newest_first: bool) -> None:
    def page(after: str | None, size: int) -> Item:
        return conversation.list_input("resp_1", turns, after=after, limit=size, newest_first=newest_first)

    whole = page(None, 100)["data"]
    ids = [item["id"] for item in whole]
    assert len(whole) == sum(len(turn.input) + len(turn.output) for turn in turns) - len(turns[-1].output)
    if len(set(ids)) < len(ids):
        return  # a server that gives ids twice cannot be paged
    seen: list[Item] = []
    after = None
    while True:
        got = page(after, limit)
        seen += got["data"]
        assert (got["first_id"], got["last_id"]) == (
            (got["data"][0]["id"], got["data"][-1]["id"]) if got["data"] else (None, None)
        )
        if not got["has_more"]:
            break
        after = got["last_id"]
    assert seen == whole
    assert page(None, 100)["data"] == [
        *conversation.list_input("resp_1", turns, after=None, limit=100, newest_first=not newest_first)["data"][::-1]
    ]


def test_a_page_after_nothing_is_refused() -> None:
    with pytest.raises(BadRequest, match="no item 'x'"):
        conversation.list_input("resp_1", (StoredTurn([user("a")], []),), after="x", limit=1, newest_first=True)
