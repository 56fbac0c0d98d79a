"""Seals of reasoning keep their owner, whatever dialect carries them."""

from cases import every
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import judge_stream, read_stream, write_stream

from omniroute.dialects.fold import unfold
from omniroute.dialects.ir import Reasoning, Reply
from omniroute.dialects.reasoning_signatures import DIALECTS, unwrap, wrap
from omniroute.dialects.translate import CODECS

SEALS = st.from_regex(r"[A-Za-z0-9+/=_-]{1,20}", fullmatch=True)
OWNERS = st.sampled_from(DIALECTS)


@given(seal=SEALS, origin=OWNERS, own=OWNERS, sealed=st.booleans())
def test_a_seal_comes_back_with_its_owner(seal: str, origin: str, own: str, sealed: bool) -> None:
    assert unwrap(wrap(seal, origin, own, sealed=sealed), own) == (seal, origin, sealed and origin != own)


@given(seal=SEALS, own=OWNERS)
def test_an_own_seal_is_not_touched(seal: str, own: str) -> None:
    assert wrap(seal, own, own) == seal
    assert unwrap(seal, own) == (seal, own, False)
    assert unwrap(f"nobody:{seal}", own) == (f"nobody:{seal}", own, False)


@every("dialect", ["claude", "responses"])
@every("origin", ["claude", "responses"])
@every("part", [Reasoning("hm", "s"), Reasoning("", "s"), Reasoning(sealed="s")])
def test_each_kind_of_sealed_reasoning_passes_a_client(dialect: str, origin: str, part: Reasoning) -> None:
    part = Reasoning(part.text, part.signature, part.sealed, origin)
    reply = Reply("r", (part,), "stop")
    if (dialect, origin, part.text, part.sealed) == ("responses", "responses", "", None):
        part = Reasoning(sealed="s", origin=origin)  # the dialect has one word for both
    spoke = CODECS[dialect]
    wire = write_stream(dialect, unfold(reply))
    judge_stream(dialect, wire)
    assert read_stream(dialect, wire).parts == (part,)
    assert spoke.read_reply(spoke.write_reply(reply, model="m")).parts == (part,)
