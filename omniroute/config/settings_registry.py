"""The registry of settings: name, parser and description of each."""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Any

from omniroute.access.client_address import read_network
from omniroute.budgets.periods import read_zone
from omniroute.config.deadlines import MAY_BE_NONE, PHASES
from omniroute.config.server_limits import MAX_COUNT, MAX_SECONDS, MAX_SIZE
from omniroute.config.settings import (
    ACCOUNT_STRATEGIES,
    COMBO_STRATEGIES,
    MAX_BYTES,
    MAX_DEADLINE,
    MAX_DELAY,
    MAX_ENTRIES,
    MAX_PATIENCE,
    MAX_QUEUE,
    MAX_RETRIES,
    MAX_STICKY,
    MAX_TRIES,
    MAX_TTL,
    MAX_WAIT,
    MAX_WINDOW,
    MOST_HOURS,
    MOST_KEPT,
    MOST_RESUMED,
)
from omniroute.dialects.shaping.common import EFFORTS, MAX_BUDGET, MAX_PROMPT, MODES

MAX_NAME_LENGTH = 512


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Return a parser that accepts one of some words; ValueError lists them."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is one of {', '.join(choices)}")
        return text

    return read


def whole(most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from 0 to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and int(text) <= most):
            raise ValueError(f"takes a whole number from 0 to {most}")
        return int(text)

    return read


def at_least_one(most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from 1 to `most`."""

    def read(text: str) -> int:
        try:
            found = whole(most)(text)
        except ValueError:
            found = 0
        if not found:
            raise ValueError(f"takes a whole number from 1 to {most}")
        return found

    return read


def seconds(most: float, *, least: float = 0.0) -> Callable[[str], float]:
    """Return a parser of seconds from `least` to `most`; 0 only if `least` is 0."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not least <= number <= most:
            raise ValueError(f"takes seconds from {least:.10g} to {most:.10g}")
        return number

    return read


def switch(text: str) -> bool:
    """Parse on or off, in the usual words; ValueError for others."""
    match text.lower():
        case "on" | "true" | "yes" | "1":
            return True
        case "off" | "false" | "no" | "0":
            return False
    raise ValueError("takes on or off")


def text(most: int) -> Callable[[str], str]:
    """Return a parser of texts of at most `most` bytes, stripped of surrounding white space."""

    def read(text: str) -> str:
        text = text.strip()
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise ValueError("takes a text in UTF-8") from None
        if not 0 < size <= most or "\0" in text:
            raise ValueError(f"takes a text of 1 to {most} bytes")
        return text

    return read


def model(text: str) -> str:
    """Parse the name of a model, or `off`; the store checks that the name resolves."""
    name = text.strip()
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ValueError("takes the name of a model, such as openai/text-embedding-3-small, or off")
    return "" if name.lower() in ("off", "none") else name


def number(least: float, most: float) -> Callable[[str], float]:
    """Return a parser of numbers in a range."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = nan
        if not least <= found <= most:
            raise ValueError(f"takes a number from {least:.10g} to {most:.10g}")
        return found

    return read


def deadline(phase: str) -> Callable[[str], float]:
    """Return a parser of the deadline of a phase, in seconds."""
    return seconds(MAX_DEADLINE, least=0.0 if phase in MAY_BE_NONE else 0.001)


def network_list(text: str) -> str:
    """Parse a comma-separated list of networks, which may be empty."""
    try:
        return ",".join(dict.fromkeys(str(read_network(part)) for part in text.split(","))) if text.strip() else ""
    except ValueError as exc:
        raise ValueError(f"takes networks with commas between them ({exc})") from None


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that users may change."""

    name: str
    read: Callable[[str], Any]
    """Parses the text of a value; ValueError says what is accepted."""
    help: str


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("strategy", one_of(ACCOUNT_STRATEGIES), "In which order the accounts of a provider are asked."),
        Setting("sticky_limit", whole(MAX_STICKY), "Calls in a row for one account in round-robin."),
        Setting("affinity", switch, "Keep a conversation on its account while that works, so that prompt caches hit."),
        Setting("cooldowns", switch, "Ask who has failed of late only when nobody else can be asked."),
        Setting("cooldown_wait", seconds(MAX_WAIT), "Seconds to wait for a cool-down when nobody else can be asked."),
        Setting("queue.size", whole(MAX_QUEUE), "Requests that may wait for one account; more are refused at once."),
        Setting("trusted_proxies", network_list, "Networks of proxies whose X-Forwarded-For or Forwarded is believed."),
        Setting("lockout.login_slow_after", whole(MAX_TRIES), "Wrong log-ins until a source must wait; 0 for never."),
        Setting("lockout.login_lock_after", whole(MAX_TRIES), "Wrong log-ins until it is locked; 0 for never."),
        Setting("lockout.key_slow_after", whole(MAX_TRIES), "Wrong keys until a source must wait; 0 for never."),
        Setting("lockout.key_lock_after", whole(MAX_TRIES), "Wrong keys until it is locked; 0 for never."),
        Setting(
            "lockout.seconds", seconds(MAX_DEADLINE, least=1.0), "Seconds of the first lock; it doubles each time."
        ),
        Setting("lockout.longest", seconds(MAX_DEADLINE, least=1.0), "Seconds of the longest lock."),
        Setting("lockout.forget", seconds(MAX_DEADLINE, least=1.0), "Seconds until a quiet source begins anew."),
        Setting("budget.zone", read_zone, "Time zone in which the days of budgets begin: local, UTC, Europe/Berlin."),
        Setting("budget.unknown", one_of(("allow", "refuse")), "Whether keys with budgets may use unpriced models."),
        Setting("combo.strategy", one_of(COMBO_STRATEGIES), "Order of a combo that has no strategy of its own."),
        Setting("combo.retries", whole(MAX_RETRIES), "How often a combo asks a target again before the next one."),
        Setting("combo.retry_delay", seconds(MAX_DELAY), "Seconds before a combo asks a target again."),
        Setting("combo.resume", switch, "Whether combos let the next target go on with a text that has broken off."),
        Setting("combo.hedge", switch, "Whether combos ask the next target too when one is late."),
        *(
            Setting(f"combo.{phase}_timeout", deadline(phase), f"Seconds that a combo waits {what}.")
            for phase, what in PHASES.items()
        ),
        Setting("backup.every", number(0, MOST_HOURS), "Hours between two copies of the database; 0 for none."),
        Setting("backup.keep", at_least_one(MOST_KEPT), "Copies that stay of each reason, the newest."),
        *(Setting(f"deadlines.{phase}", deadline(phase), f"Seconds to wait {what}.") for phase, what in PHASES.items()),
        Setting("deadlines.thinking", number(1, 100), "How many times as long a model that thinks is waited for."),
        Setting("thinking.mode", one_of(MODES), "Who says how much models think: the client, the model, you."),
        Setting("thinking.budget", whole(MAX_BUDGET), "Tokens of thinking in the mode `custom`; 0 for none."),
        Setting("thinking.effort", one_of(EFFORTS), "In place of the tokens in `custom`; the start of `adaptive`."),
        Setting("cache.enabled", switch, "Keep whole answers at temperature 0, and give them again."),
        Setting("cache.ttl", seconds(MAX_TTL, least=1.0), "Seconds that an answer is given again."),
        Setting("cache.entries", whole(MAX_ENTRIES), "Answers that are kept; the least used go first."),
        Setting("cache.bytes", whole(MAX_BYTES), "Bytes of all answers that are kept."),
        Setting("cache.shared", switch, "Give an answer to every key, and not only to the one that asked first."),
        Setting(
            "cache.similar", model, "Embedding model (provider/model) by which similar requests are found; or off."
        ),
        Setting("cache.similarity", number(0, 1), "How near their last words are at least: the cosine of both."),
        Setting("cache.similar_timeout", seconds(MAX_PATIENCE, least=0.05), "Seconds to wait for the embedding model."),
        Setting("resume.enabled", switch, "Let the next target go on with a streamed text that has broken off."),
        Setting("resume.most", at_least_one(MOST_RESUMED), "How often one answer is gone on with."),
        Setting("hedge.enabled", switch, "Ask the next target too when one is later than it mostly is."),
        Setting("hedge.least", seconds(MAX_DEADLINE, least=0.001), "Seconds that every target is given before that."),
        Setting("hedge.share", number(0, 1), "The part of all requests that this is done for at most."),
        Setting("idempotency.window", seconds(MAX_WINDOW), "Seconds to give an answer to its request again; 0: off."),
        Setting("idempotency.entries", whole(MAX_ENTRIES), "Answers that are kept for that."),
        Setting("idempotency.bytes", whole(MAX_BYTES), "Bytes of all of these."),
        Setting("server.header_bytes", at_least_one(MAX_SIZE), "Bytes of a request head."),
        Setting("server.header_lines", at_least_one(MAX_COUNT), "Header lines of a request."),
        Setting("server.header_timeout", seconds(MAX_SECONDS, least=0.1), "Seconds until a request head is complete."),
        Setting("server.body_min_rate", whole(MAX_SIZE), "Least bytes a second of a request body; 0 for any rate."),
        Setting("server.body_total", at_least_one(MAX_SIZE), "Bytes of all request bodies under way, decompressed."),
        Setting("server.connections", at_least_one(MAX_COUNT), "Client connections in all."),
        Setting("server.connections_per_address", at_least_one(MAX_COUNT), "Client connections of one address."),
        Setting("server.idle_timeout", seconds(MAX_SECONDS, least=1.0), "Seconds until an idle connection is closed."),
        Setting("server.requests", at_least_one(MAX_COUNT), "Requests under way in all."),
        Setting("server.json_depth", at_least_one(1000), "Levels of nesting in a request body."),
        Setting("server.messages", at_least_one(MAX_COUNT), "Messages, content blocks or tools of one request."),
        Setting("system_prompt", text(MAX_PROMPT), "What every model is told before the client's own instructions."),
    )
}
"""All settings with fixed names. There are also `strategy.PROVIDER` and `deadlines.PROVIDER.PHASE`."""


RESILIENCE: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("failures", at_least_one(1000), "Failures in a row that open a circuit breaker."),
        Setting("recovery", seconds(MAX_DEADLINE, least=0.1), "Seconds until an open breaker lets one exchange try."),
        Setting("base", seconds(MAX_DEADLINE, least=0.1), "Seconds of the first cool-down."),
        Setting("rate", seconds(MAX_DEADLINE, least=0.1), "The same after a rate limit that names no time."),
        Setting("quota", seconds(MAX_DEADLINE, least=0.1), "The same after a quota that is used up."),
        Setting("auth", seconds(MAX_DEADLINE, least=0.1), "The same after a refused credential."),
        Setting("factor", number(1, 100), "How much longer each further cool-down is."),
        Setting("most", seconds(MAX_DEADLINE, least=0.1), "Seconds of the longest one that no provider has named."),
        Setting("jitter", number(0, 1), "The part of a cool-down that is left to chance."),
    )
}
"""Settings stored as `resilience.NAME.FIELD`, where NAME is a profile or a provider."""
