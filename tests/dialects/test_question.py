"""The user's last words are taken out of a request, and nothing else is."""

from typing import Any

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.request_identity import LONGEST, numbers, question

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TURNS: dict[str, Any] = {
    "openai": lambda words: {"role": "user", "content": words},
    "responses": lambda words: {"role": "user", "content": words},
    "claude": lambda words: {"role": "user", "content": words},
    "gemini": lambda words: {"role": "user", "parts": words if isinstance(words, list) else [{"text": words}]},
}
PLACES = {"openai": "messages", "responses": "input", "claude": "messages", "gemini": "contents"}
dialects = st.sampled_from(sorted(TURNS))


def body(dialect: str, *turns: Any, **more: Any) -> dict[str, Any]:
    made = {"model": "m", "max_tokens": 9} if dialect == "claude" else {"model": "m"}
    return made | {PLACES[dialect]: list(turns)} | more


def part(dialect: str, text: str) -> dict[str, Any]:
    kinds = {"openai": "text", "responses": "input_text", "claude": "text"}
    return {"text": text} | ({"type": kinds[dialect]} if dialect in kinds else {})


words = st.text(min_size=1, max_size=30).filter(str.strip)


@given(dialects, words, words, st.booleans(), words)
def test_two_that_differ_in_the_last_words_alone_leave_the_same(
    dialect: str, one: str, other: str, listed: bool, before: str
) -> None:
    first, answered = TURNS[dialect](before), TURNS[dialect](before)
    answered["role"] = "model" if dialect == "gemini" else "assistant"
    made = [
        question(dialect, body(dialect, first, answered, TURNS[dialect]([part(dialect, text)] if listed else text)))
        for text in (one, other)
    ]
    assert made[0] is not None
    assert made[1] is not None
    assert (made[0][0], made[1][0]) == (one, other)
    assert made[0][1] == made[1][1]
    for asked in (body(dialect, answered, TURNS[dialect](one)), made[0][1] | {"seed": 1}):
        elsewhere = question(dialect, asked | {PLACES[dialect]: [*asked[PLACES[dialect]][:-1], TURNS[dialect](one)]})
        assert elsewhere is not None
        assert elsewhere[1] != made[0][1]


def test_the_request_itself_stays_as_it_is() -> None:
    asked = body("openai", TURNS["openai"]([part("openai", "hello")]))
    before = repr(asked)
    question("openai", asked)
    assert repr(asked) == before


def test_responses_takes_a_text_alone() -> None:
    assert question("responses", {"input": "hello"}) == ("hello", {"input": ""})


CALLS = {
    "openai": ({"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]},),
    "responses": ({"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},),
    "claude": ({"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},),
    "gemini": ({"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},),
}
ODD = [
    ("openai", body("openai", TURNS["openai"]([part("openai", "see"), PICTURE]))),
    ("claude", body("claude", TURNS["claude"]([{"type": "tool_result", "tool_use_id": "1", "content": "7"}]))),
    ("openai", body("openai", {"role": "tool", "tool_call_id": "1", "content": "7"})),
    ("responses", body("responses", {"type": "function_call_output", "call_id": "1", "output": "7"})),
    ("gemini", body("gemini", TURNS["gemini"]([{"functionResponse": {"name": "f", "response": {}}}]))),
    ("openai", body("openai", {"role": "assistant", "content": "I was"})),
    ("openai", body("openai", TURNS["openai"](" \n"))),
    ("openai", body("openai", TURNS["openai"]("x" * (LONGEST + 1)))),
    *((dialect, body(dialect, *calls, TURNS[dialect]("and now?"))) for dialect, calls in CALLS.items()),
    *((dialect, body(dialect)) for dialect in TURNS),
    *(("openai", {"messages": odd}) for odd in (None, 7, "hello there", [None], [[]], [{"role": "user"}])[:2]),
]


@every(("dialect", "asked"), ODD, ids=range(len(ODD)))
def test_more_than_a_text_is_left_alone(dialect: str, asked: Any) -> None:
    assert question(dialect, asked) is None


names = st.sampled_from(["role", "content", "parts", "type", "text", "user"])
odd_json = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(dialects, odd_json)
def test_no_shape_breaks_it(dialect: str, odd: Any) -> None:
    question(dialect, {PLACES[dialect]: odd})
    question(dialect, {PLACES[dialect]: [odd]})
    question(dialect, {PLACES[dialect]: [TURNS[dialect](odd)]})


def test_numbers_are_seen() -> None:
    assert numbers("2+3, v4.10 and 007") == ("2", "3", "4", "10", "007")
    assert numbers("none") == ()
