"""Seals of reasoning on their way through a dialect whose providers did not make them.

A client gives reasoning back as it came, and says it in its own dialect: a mark in front of the seal tells whose
it is. No provider's own seal holds a colon.

Google seals more than thoughts: the first call of a turn bears a seal that Gemini 3 demands back, and the text of
an answer may bear one. No other dialect has a place for them, but each gives back the reasoning that stands before
a call. So in the form a seal of Google's is reasoning, and a word in front of it tells where it belongs; the seal
itself is base64, which has no full stop. (https://ai.google.dev/gemini-api/docs/thought-signatures)
"""

DIALECTS = ("openai", "responses", "claude", "gemini")
MARK = ".sealed"
CALL = "call."
"""Before a seal of Google's that belongs on the call which follows."""
TEXT = "text."
"""Before sealed reasoning of Google's that belongs on the text of the answer."""


def wrap(seal: str, origin: str, own: str, *, sealed: bool = False) -> str:
    """Give the seal as a client of the `own` dialect gets it; `sealed` marks reasoning that is all seal."""
    return seal if origin == own else f"{origin}{MARK if sealed else ''}:{seal}"


def unwrap(seal: str, own: str) -> tuple[str, str, bool]:
    """Give the seal, the dialect whose providers made it, and whether it was marked as all that there is."""
    mark, colon, inner = seal.partition(":")
    origin = mark.removesuffix(MARK)
    if colon and origin in DIALECTS:
        return inner, origin, mark != origin
    return seal, own, False
