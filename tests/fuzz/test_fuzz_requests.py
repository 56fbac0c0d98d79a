"""Request bodies of every dialect, for every upstream: read and written, or refused with BadRequest."""

import json

import orjson
from everything_kit import EVERYTHING
from fuzz_kit import fuzz
from hypothesis import given
from hypothesis import strategies as st
from mutate import MAX_SIZE, Mutator, dump, places_of

from omniroute.dialects import hub, json_bounds
from omniroute.dialects.request_identity import is_certain, meaning, question
from omniroute.dialects.resume import can_continue
from omniroute.dialects.shaping.common import MODES, Shape, ThinkingSettings
from omniroute.dialects.token_estimate import estimate_tokens
from omniroute.dialects.translate import CODECS
from omniroute.errors import BadRequest
from omniroute.routing.affinity import session_key

MODELS = {"openai": "gpt-5.1", "claude": "claude-sonnet-4-5", "responses": "gpt-5.1", "gemini": "gemini-3-pro-preview"}
SAMPLES = list(EVERYTHING.values())
RAW = {client: dump(body) for client, body in EVERYTHING.items()}
MAX_FACTOR, MAX_EXTRA = 24, 64 * 1024
"""What a request may grow to when it is translated: escapes, and fields that another dialect needs."""


def make(mutator: Mutator) -> bytes:
    """Make a line that says what is asked, and a body behind it."""
    client = mutator.pick(list(CODECS))
    if mutator.random.randrange(4):
        raw = dump(mutator.json_of(EVERYTHING[client], SAMPLES))[:MAX_SIZE]
    else:
        raw = mutator.bytes_of(RAW[client], list(RAW.values()))
    how = {
        "client": client,
        "stream": mutator.random.randrange(2) == 0,
        "renamed": mutator.random.randrange(4) == 0,
        "mode": mutator.pick(MODES),
        "prompt": mutator.pick(("", "", "Be brief.")),
    }
    return dump(how) + b"\n" + raw


def check(data: bytes) -> None:
    first, _, raw = data.partition(b"\n")
    brackets = list(json_bounds.brackets(raw))  # of any bytes
    commas = json_bounds.commas(raw, len(raw))
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return
    opened = sum(opens for _, opens in brackets)
    containers, members = count(body)
    assert 2 * opened == len(brackets), "each bracket of valid JSON has its match"
    assert containers <= opened, "fewer where a key stands twice"
    assert members - containers <= commas
    if isinstance(body, dict):
        check_body(orjson.loads(first), raw, body)


def count(value: object) -> tuple[int, int]:
    """Count the objects and lists of a value, and all members of these."""
    holders = [holder for holder, _ in places_of(value)]
    inner = sum(isinstance(holder[key], dict | list) for holder, key in places_of(value))
    return inner + isinstance(value, dict | list), len(holders)


def check_body(how: dict[str, object], raw: bytes, body: dict[str, object]) -> None:
    client, before = str(how["client"]), orjson.dumps(body)
    shape = Shape(ThinkingSettings(mode=how["mode"]), str(how["prompt"]))  # type: ignore[arg-type]
    for upstream, model in MODELS.items():
        try:
            prepared = hub.prepare(
                client, upstream, raw, body, model=model, stream=bool(how["stream"]), stream_usage=True,
                max_output=8192, cache_breakpoints=True, shape=shape, renamed=bool(how["renamed"]),
            )  # fmt: skip
        except BadRequest as refused:
            assert refused.message.isprintable(), refused.message[:500]
            assert len(refused.message) < 8192
        else:
            assert isinstance(orjson.loads(prepared.raw), dict)
            assert len(prepared.raw) <= MAX_FACTOR * len(raw) + MAX_EXTRA
        assert orjson.dumps(body) == before, "a body that is asked elsewhere next stays as it was"
    assert estimate_tokens(body) >= 0
    question(client, body)
    can_continue(client, body)
    is_certain(client, body)
    meaning(client, body)
    session_key("owner", "model", [], body)


def test_request_bodies() -> None:
    fuzz("requests", make, check)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
)  # fmt: skip
FIELDS = sorted({key for body in SAMPLES for key in body})


@given(st.sampled_from(list(CODECS)), st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=6))
def test_known_fields_with_any_value_are_read_or_refused(client: str, body: dict[str, object]) -> None:
    raw = json.dumps(body).encode()
    check_body({"client": client, "stream": True, "renamed": True, "mode": "auto", "prompt": "p"}, raw, body)
