"""One client request with all state that belongs to it, from its first byte to its usage record."""

from dataclasses import dataclass, field
from typing import Any

from omniroute.access.client_address import NO_CLIENT, ClientAddress
from omniroute.budgets.ledger import Reservation
from omniroute.cache.single_flight import CacheContext
from omniroute.catalog.provider import DialectName
from omniroute.config.model import Config, Key
from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Usage
from omniroute.dialects.responses.conversation import StoredConversation
from omniroute.errors import BadRequest
from omniroute.gateway.self_requests import InternalRequest
from omniroute.mitm.ports import Attempt
from omniroute.routing.admission_queue import Ticket
from omniroute.routing.affinity import SessionKey
from omniroute.routing.endpoints import Claim
from omniroute.routing.failures import FailedAttempt
from omniroute.routing.plan import ExcludedTarget, Plan, Target
from omniroute.store.history.usage import UsageRow

CLIENT_GONE = 499
"""Status to log where the client disconnected before it had a response."""


@dataclass(slots=True, eq=False)
class AttemptRecord:
    """One attempt and the target that it was made at."""

    target: Target
    attempt: Attempt
    dropped: tuple[str, ...] = ()
    at: float = 0.0
    """When it started, in seconds of the epoch."""
    began: float = 0.0
    """When it started, on the runtime's clock."""
    in_flight: bool = False
    """Whether it counts towards its account's requests in flight."""
    admitted_at: float | None = None
    """When the account's rate limits admitted it, on the runtime's clock."""
    limits_read: bool = False
    """Whether the rate-limit headers of its response have been read."""
    resumed: int | None = None
    """Number of characters of the interrupted answer that this attempt resumes after; None if it resumes none."""
    hedge_delay: float | None = None
    """Seconds after which it was started in parallel to a slow attempt; None if it is no hedge."""
    superseded: bool = False
    """Whether another attempt of the exchange went on when this one ended."""
    unresumed: str = ""
    """Why its interrupted answer was not resumed by another target, where resuming is enabled."""
    estimate: float | None = None
    """Estimated USD for an attempt that was cancelled because another answered first."""

    @property
    def failed(self) -> FailedAttempt:
        """Its failure, with the names of its target and account."""
        assert self.attempt.failure
        return FailedAttempt(self.target.name, self.target.account.name, self.attempt.failure)

    @property
    def usage(self) -> Usage:
        """Tokens as its upstream reported them."""
        if self.attempt.stream:
            return self.attempt.stream.usage
        return self.attempt.whole.usage if self.attempt.whole else Usage()


@dataclass(slots=True)
class Waiting:
    """What a waiting exchange waits for before its next target is chosen."""

    until: float
    """Latest end of the wait, on the runtime's clock."""
    ticket: Ticket | None = None
    """Its place in the admission queue; None where it waits for a time only."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Exchange:
    """One client request and its live state. A saved flow keeps none of it but the JSON in `flow.metadata`."""

    id: str
    at: float
    """When it started, in seconds of the epoch."""
    started: float
    """When it started, on the runtime's clock."""
    dialect: DialectName
    path: str
    query: str
    """The query string without the key."""
    headers: tuple[tuple[bytes, bytes], ...]
    """The client's end-to-end headers, without keys."""
    config: Config
    """The configuration snapshot that this request uses throughout."""
    misplaced_key: bool = False
    """Whether a gateway key was found in a place where keys are not read."""
    presented_keys: tuple[str, ...] = field(default=(), repr=False)
    """The keys that the client presented; cleared once the authenticator has checked them."""
    gemini_client: bool = False
    """Whether the key came in Google's own header, which means that Google's SDK sent the request."""
    client: ClientAddress = NO_CLIENT
    """The client's address, once access control has admitted it."""
    progress: bool = False
    """Whether the client has requested progress events."""
    internal: InternalRequest | None = None
    """Set where the gateway itself sent the request, on behalf of a panel user."""
    key: Key | None = None
    counted_in_key: bool = False
    """Whether it counts towards its key's requests in flight."""
    admitted: bool = False
    """Whether access control has admitted it; from then on it gets a usage record."""
    claimed: Claim | None = None
    row: UsageRow | None = field(default=None, repr=False)
    """Its usage record, once it has ended."""

    raw_body: bytes = field(default=b"", repr=False)
    body: dict[str, Any] = field(default_factory=dict, repr=False)
    recalled: StoredConversation | None = field(default=None, repr=False)
    """The stored conversation that the request continues, where it names one."""
    model: str = ""
    stream: bool = False

    conversation: SessionKey | None = None
    """The session that it belongs to, as far as one can be detected."""
    plan: Plan | None = None
    combos_used: set[str] = field(default_factory=set)
    """The combos with turn counters that it has advanced."""
    attempts_made: list[AttemptRecord] = field(default_factory=list)
    remaining: list[Target] = field(default_factory=list)
    """The targets of the plan that have not been tried, in order."""
    health_seen: int = 0
    """The revision of the cooldowns and circuit breakers that the remaining targets were ordered by."""
    left: list[ExcludedTarget] = field(default_factory=list)
    """Targets that were dropped because they went into cooldown during the exchange."""
    skipped: list[Target] = field(default_factory=list)
    """Targets that were at their rate limits while another was available at once."""
    waiting: Waiting | None = None
    queued_at: float | None = None
    """When it first entered the queue, on the runtime's clock."""
    refused: BadRequest | None = field(default=None, repr=False)
    """Why the request could not be translated, at the last such target."""
    repeats: int = 0
    """How often the newest attempt's target has been retried."""
    overhead: float | None = None
    """Seconds from the request's last byte to the first attempt."""
    received: float = 0.0
    """When the request was received in full, on the runtime's clock."""
    broken: Stream | None = field(default=None, repr=False)
    """The stream that was interrupted last, where another target is to resume it."""
    resumed: int = 0
    """How often an answer was resumed."""
    decisive_refusal: AttemptRecord | None = None
    """A refusal that would hold at every target, received while another attempt went on."""
    early_head_sent: bool = False
    """Whether the client has received the head of a stream before any target answered."""
    status: int | None = None
    """The status sent inside such a stream when every target failed."""
    reservation: Reservation | None = None
    """Its budget reservation."""
    budget_warning: str | None = None
    """The warning for its client about budgets that are nearly spent."""
    cost: float | None = None
    error: str | None = None
    """The error message that the client received in place of an answer."""
    metered: bool = False
    replay: CacheContext = field(default_factory=CacheContext, repr=False)
    """Its state in the response cache and in single flight."""

    @property
    def as_array(self) -> bool:
        """Whether a Gemini client requests its stream as one growing JSON array rather than as SSE."""
        return self.dialect == "gemini" and self.stream and "alt=sse" not in self.query

    @property
    def tells_progress(self) -> bool:
        """Whether the client gets progress events, for which its stream needs named event types."""
        return self.progress and self.stream and self.dialect != "gemini"

    @property
    def last(self) -> AttemptRecord | None:
        """The newest attempt, except those that ended while another went on."""
        return next((asked for asked in reversed(self.attempts_made) if not asked.superseded), None)

    @property
    def hedge(self) -> AttemptRecord | None:
        """The attempt that was started in parallel to a slow one."""
        return next((asked for asked in self.attempts_made if asked.hedge_delay is not None), None)

    @property
    def answering_attempt(self) -> list[AttemptRecord]:
        """The attempts that supplied content: more than one where the answer was resumed."""
        return [asked for asked in self.attempts_made if asked.attempt.content_at is not None]

    @property
    def served(self) -> AttemptRecord | None:
        """The attempt that supplied the answer, or the last part of it."""
        answering = self.answering_attempt
        return answering[-1] if answering else None

    @property
    def usage(self) -> Usage:
        """Tokens as the upstream reported them."""
        if self.replay.answer:
            return self.replay.answer.usage
        if not (asked := self.served):
            return Usage()
        stream = asked.attempt.stream
        return stream.known if stream and stream.resumes else asked.usage

    def failures(self) -> list[FailedAttempt]:
        """Return the failures of the failed attempts, in order."""
        return [asked.failed for asked in self.attempts_made if asked.attempt.failure]

    def spend_model(self, target: Target) -> None:
        """Remove all remaining targets with the provider and model of `target`."""
        spent = (target.provider.id, target.model)
        self.remaining = [left for left in self.remaining if (left.provider.id, left.model) != spent]

    @property
    def attempts(self) -> int:
        """Number of targets tried; those skipped at their rate limits are in the log only."""
        return sum(not (a.attempt.failure and a.attempt.failure.kind == "limited") for a in self.attempts_made)
