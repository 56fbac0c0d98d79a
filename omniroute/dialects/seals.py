"""Seals of reasoning on their way through a dialect whose providers did not make them.

A client gives reasoning back as it came, and says it in its own dialect: a mark in front of the seal tells whose
it is. No provider's own seal holds a colon.
"""

DIALECTS = ("openai", "responses", "claude", "gemini")
SEALED = ".sealed"


def wrap(seal: str, origin: str, own: str, *, sealed: bool = False) -> str:
    """Give the seal as a client of the `own` dialect gets it; `sealed` marks reasoning that is all seal."""
    return seal if origin == own else f"{origin}{SEALED if sealed else ''}:{seal}"


def unwrap(seal: str, own: str) -> tuple[str, str, bool]:
    """Give the seal, the dialect whose providers made it, and whether it was marked as all that there is."""
    mark, colon, inner = seal.partition(":")
    origin = mark.removesuffix(SEALED)
    if colon and origin in DIALECTS:
        return inner, origin, mark != origin
    return seal, own, False
