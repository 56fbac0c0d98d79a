"""One client request with everything that belongs to it, from its first byte to its log row."""

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
"""The status that is logged where the client left before its answer."""


@dataclass(slots=True, eq=False)
class AttemptRecord:
    """An attempt with its target. The target is a decision, the attempt what came of it."""

    target: Target
    attempt: Attempt
    dropped: tuple[str, ...] = ()
    at: float = 0.0
    """When it began, as seconds of the epoch."""
    began: float = 0.0
    """The same on the runtime's clock."""
    in_flight: bool = False
    """It counts among what its account is busy with."""
    admitted_at: float | None = None
    """When it was let in at its account, on the runtime's clock."""
    limits_read: bool = False
    """What the reply's head says of the provider's limits has been read."""
    resumed: int | None = None
    """After how many characters it goes on with the answer of another."""
    hedge_delay: float | None = None
    """After how many seconds it was asked beside another that was late."""
    superseded: bool = False
    """Another went on when it ended."""
    unresumed: str = ""
    """Why its answer broke off and no other target went on with it, where that is enabled."""
    estimate: float | None = None
    """USD that it must have cost though it was cancelled for another that had answered first."""

    @property
    def failed(self) -> FailedAttempt:
        """Its failure, with whose it is."""
        assert self.attempt.failure
        return FailedAttempt(self.target.name, self.target.account.name, self.attempt.failure)

    @property
    def usage(self) -> Usage:
        """Tokens as its upstream counted them."""
        if self.attempt.stream:
            return self.attempt.stream.usage
        return self.attempt.whole.usage if self.attempt.whole else Usage()


@dataclass(slots=True)
class Waiting:
    """What an exchange stands still for, before it is asked again who is next."""

    until: float
    """At the latest; on the runtime's clock."""
    ticket: Ticket | None = None
    """Its place in the queue; None where it only waits for the time."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Exchange:
    """Live objects only: what a saved flow keeps is JSON in `flow.metadata`."""

    id: str
    at: float
    """When it began, as seconds of the epoch."""
    started: float
    """The same on the runtime's clock."""
    dialect: DialectName
    path: str
    query: str
    """Without the key."""
    headers: tuple[tuple[bytes, bytes], ...]
    """What the client said of itself and its request, without keys and without what ends at each hop."""
    config: Config
    """The snapshot that this request keeps."""
    misplaced_key: bool = False
    """A gateway key came where keys do not count."""
    presented_keys: tuple[str, ...] = field(default=(), repr=False)
    """The keys that the client showed, until access has looked at them."""
    gemini_client: bool = False
    """The key came in Google's own header, so Google's own SDK is asking."""
    client: ClientAddress = NO_CLIENT
    """Who asks, once the doors have let them in."""
    progress: bool = False
    """The client wants to hear how far its answer is."""
    internal: InternalRequest | None = None
    """The gateway itself asks, for a person in the panel."""
    key: Key | None = None
    counted_in_key: bool = False
    """It counts among what its key is busy with."""
    admitted: bool = False
    """Access has let it in: from here on it is worth a log row."""
    claimed: Claim | None = None
    row: UsageRow | None = field(default=None, repr=False)
    """What it has come to, once it is over."""

    raw_body: bytes = field(default=b"", repr=False)
    body: dict[str, Any] = field(default_factory=dict, repr=False)
    recalled: StoredConversation | None = field(default=None, repr=False)
    """What the request goes on from, where it names something."""
    model: str = ""
    stream: bool = False

    conversation: SessionKey | None = None
    """What it belongs to, as far as that can be told."""
    plan: Plan | None = None
    combos_used: set[str] = field(default_factory=set)
    """The combos whose turn it has taken."""
    attempts_made: list[AttemptRecord] = field(default_factory=list)
    remaining: list[Target] = field(default_factory=list)
    """The targets of the plan that are yet to be asked, in order."""
    health_seen: int = 0
    """The revision of the cool-downs and breakers that the open targets are ordered by."""
    left: list[ExcludedTarget] = field(default_factory=list)
    """Those that are not asked any more, as they began to cool down while the exchange was under way."""
    skipped: list[Target] = field(default_factory=list)
    """Those that were at their limits when another could be asked at once."""
    waiting: Waiting | None = None
    queued_at: float | None = None
    """When it first had to wait in the queue; on the runtime's clock."""
    refused: BadRequest | None = field(default=None, repr=False)
    """Why the last target that cannot be told the request cannot be told it."""
    repeats: int = 0
    """How often the newest attempt's target has been asked again on purpose."""
    overhead: float | None = None
    """Seconds from the request's last byte to the first attempt."""
    received: float = 0.0
    """When the request was whole, on the runtime's clock."""
    broken: Stream | None = field(default=None, repr=False)
    """The stream that was broken off last, where another target is asked to go on with it."""
    resumed: int = 0
    """How often that was."""
    decisive_refusal: AttemptRecord | None = None
    """Who has said, while another went on, what all others would say too."""
    early_head_sent: bool = False
    """The client has the head of a stream, though nobody has answered yet."""
    status: int | None = None
    """What the client was told inside such a stream when nobody did."""
    reservation: Reservation | None = None
    """What is set aside for it."""
    budget_warning: str | None = None
    """What its client is told of budgets that are nearly spent."""
    cost: float | None = None
    error: str | None = None
    """What the client was told where it got no answer."""
    metered: bool = False
    replay: CacheContext = field(default_factory=CacheContext, repr=False)
    """What it has to do with the answers of others."""

    @property
    def as_array(self) -> bool:
        """Whether a client of Gemini asks for its stream as one JSON array that grows, and not for events."""
        return self.dialect == "gemini" and self.stream and "alt=sse" not in self.query

    @property
    def tells_progress(self) -> bool:
        """Whether the client hears how far its answer is: a stream has to have kinds of events for that."""
        return self.progress and self.stream and self.dialect != "gemini"

    @property
    def last(self) -> AttemptRecord | None:
        """The newest attempt, but for those that ended while another went on."""
        return next((asked for asked in reversed(self.attempts_made) if not asked.superseded), None)

    @property
    def hedge(self) -> AttemptRecord | None:
        """The attempt that was made beside one that was late."""
        return next((asked for asked in self.attempts_made if asked.hedge_delay is not None), None)

    @property
    def answering_attempt(self) -> list[AttemptRecord]:
        """The attempts that the client got its answer from: more than one where it was resumed."""
        return [asked for asked in self.attempts_made if asked.attempt.content_at is not None]

    @property
    def served(self) -> AttemptRecord | None:
        """The attempt that the client got its answer from, or the end of it."""
        answering = self.answering_attempt
        return answering[-1] if answering else None

    @property
    def usage(self) -> Usage:
        """Tokens as the upstream counted them."""
        if self.replay.answer:
            return self.replay.answer.usage
        if not (asked := self.served):
            return Usage()
        stream = asked.attempt.stream
        return stream.known if stream and stream.resumes else asked.usage

    def failures(self) -> list[FailedAttempt]:
        """The attempts that failed, in order."""
        return [asked.failed for asked in self.attempts_made if asked.attempt.failure]

    def spend_model(self, target: Target) -> None:
        """Ask nobody else for the model of a target."""
        spent = (target.provider.id, target.model)
        self.remaining = [left for left in self.remaining if (left.provider.id, left.model) != spent]

    @property
    def attempts(self) -> int:
        """How many targets were asked; those that were passed over at their limits are in the log only."""
        return sum(not (a.attempt.failure and a.attempt.failure.kind == "limited") for a in self.attempts_made)
