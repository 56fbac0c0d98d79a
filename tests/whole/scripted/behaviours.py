"""How the scripted upstream behaves; `upstream.py` says how one is chosen.

ok                whole and streamed, in the dialect of the path       tool        calls a tool
400 … 599         the dialect's error body; 429:SECONDS and 429:none set Retry-After (default 2)
context           400: the prompt is too long                          html:STATUS an HTML page (default 200)
hang              says nothing                                         hang-headers, hang-byte, hang-late
empty             200 and no body                                      role-only   begins, then ends without content
error-first       an error event (or body) inside a 200                error-late  the same after content
cut-first         breaks before content                                cut-late    breaks after content
cut-tool          breaks in the middle of a tool call
stops             ends cleanly after content, without its end          wrong       JSON of no dialect
broken-json       half a JSON document                                 not-sse     an event stream of prose
data-junk         an SSE frame whose data is not JSON                  not-http    bytes that are not HTTP
echo:STATUS       an error that repeats the credential (default 401)   echo-late   the same after content
spent:S           ok, and no request is left for S seconds             loud        ok, with headers for browsers
wait:S            waits, then ok                                       wait-headers:S  waits between head and body
slow:S            a pause between events (default 0.02)                drip        every byte on its own
huge:MB           a long reply (default 8)                             gzip        compressed, though nobody asked
agent:RESULT      calls a tool until it is told its result    forgetful   knows no reply by its id
embed:S           waits, then gives a vector of the words
comments          SSE comments before the reply                        close       `Connection: close`
hangup            closes after its reply without a word                stale       closes when the next request comes
"""

from collections.abc import Awaitable, Callable

from scripted import bad, good
from scripted.talk import Talk

type Behaviour = Callable[[Talk, str], Awaitable[None]]

_ALL: tuple[Behaviour, ...] = (
    good.ok, good.tool, good.agent, good.wait, good.wait_headers, good.slow, good.drip, good.huge, good.gzip,
    good.comments, good.close, good.hangup, good.stale, good.spent, good.embed, good.loud,
    bad.forgetful, bad.context, bad.html, bad.hang, bad.hang_headers, bad.hang_byte, bad.hang_late, bad.empty,
    bad.role_only, bad.error_first, bad.error_late, bad.cut_first, bad.cut_late, bad.cut_tool, bad.stops, bad.wrong,
    bad.broken_json, bad.not_sse, bad.data_junk, bad.not_http, bad.echo, bad.echo_late,
)  # fmt: skip
BEHAVIOURS: dict[str, Behaviour] = {each.__name__.replace("_", "-"): each for each in _ALL}


def known(text: str) -> bool:
    """Say whether the text names a behaviour or a comma-separated sequence of them."""
    return all(_known(step) for step in text.split(","))


def _known(step: str) -> bool:
    name = step.split(":")[0]
    return name in BEHAVIOURS or (len(name) == 3 and name.isdigit() and name >= "400")


async def behave(talk: Talk, step: str) -> None:
    name, _, argument = step.partition(":")
    if name.isdigit():
        await bad.status(talk, name, argument)
    else:
        await BEHAVIOURS[name](talk, argument)
