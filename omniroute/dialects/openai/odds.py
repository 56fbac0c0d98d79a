"""How probable tokens were, as OpenAI's two dialects say it."""

from collections.abc import Sequence
from typing import Any

from omniroute.dialects.ir import Body, Odds

LEAST = -1e6
"""Below any logarithm of a probability; OpenAI writes -9999 for what is as good as impossible."""


def read_odds(said: Any) -> tuple[Odds, ...]:
    """Read a list of tokens; what is none is passed over, since no answer should fail by it."""
    return tuple(odds for one in said if (odds := _read(one))) if isinstance(said, list) else ()


def _read(one: Any) -> Odds | None:
    match one:
        case {"token": str(token), "logprob": int() | float() as logprob} if is_logprob(logprob):
            return Odds(token, logprob, _data(one.get("bytes")), read_odds(one.get("top_logprobs")))
        case _:
            return None


def is_logprob(number: float) -> bool:
    """Tell whether a number can be the logarithm of a probability: neither endless nor true or false."""
    return not isinstance(number, bool) and LEAST <= number <= -LEAST


def _data(numbers: Any) -> bytes | None:
    try:
        return bytes(numbers) if isinstance(numbers, list) and numbers else None
    except (TypeError, ValueError):
        return None


def write_odds(odds: Sequence[Odds], *, known: bool = True) -> list[Body]:
    """Write tokens. Responses wants bytes for each, known or not: then they are those of the token's text."""
    return [_write(one, known=known) | {"top_logprobs": [_write(o, known=known) for o in one.others]} for one in odds]


def _write(one: Odds, *, known: bool) -> Body:
    data = one.data if one.data is not None or known else one.token.encode("utf-8", "surrogatepass")
    return {"token": one.token, "bytes": None if data is None else list(data), "logprob": one.logprob}
