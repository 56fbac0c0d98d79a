"""All settings of the gateway as immutable values, with their defaults.

A setting of a provider or a combo takes precedence over the global one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from omniroute.access.lockouts import LockoutSettings
from omniroute.budgets.ledger import BudgetSettings
from omniroute.config.deadlines import PHASES, DeadlineSettings, of_providers
from omniroute.config.resilience_profiles import Resilience
from omniroute.config.server_limits import ServerLimits
from omniroute.dialects.shaping.common import Shape, ThinkingSettings

MOST_HOURS = 8760.0
MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Scheduled backups of the database."""

    every: float = 24.0
    """Hours between two backups; 0 for none."""
    keep: int = 10
    """Number of backups to keep per reason."""


MAX_ENTRIES = 100_000
MAX_BYTES = 4 * 1024**3
MAX_TTL = 30 * 86400.0
MAX_WINDOW = 3600.0
MAX_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """The response cache, for identical requests at temperature 0."""

    enabled: bool = True
    ttl: float = 3600.0
    """Seconds for which an answer may be replayed."""
    entries: int = 500
    bytes: int = 64 * 1024 * 1024
    """Maximum of all answers together."""
    shared: bool = False
    """Whether keys share cached answers, rather than each having its own."""
    similar: str = ""
    """Embedding model of the semantic cache; empty to disable it."""
    similarity: float = 0.97
    """Minimum cosine similarity for a hit."""
    similar_timeout: float = 2.0
    """Maximum seconds that a request waits for the embedding."""
    cleared: float = 0.0
    """Time of the last request to clear the cache, in seconds of the epoch."""


@dataclass(frozen=True, slots=True)
class IdempotencySettings:
    """Replay of answers for repeated requests with the same idempotency key."""

    window: float = 5.0
    """Seconds after an answer in which it is replayed; 0 disables idempotency."""
    entries: int = 1000
    bytes: int = 64 * 1024 * 1024
    """Maximum of all answers together."""


MOST_RESUMED = 3


@dataclass(frozen=True, slots=True)
class ResumeSettings:
    """Whether another target resumes an interrupted answer."""

    enabled: bool = False
    most: int = 1
    """Maximum number of times that one answer is resumed."""


@dataclass(frozen=True, slots=True)
class HedgeSettings:
    """Whether the next target is tried in parallel when one is slower than usual."""

    enabled: bool = False
    least: float = 1.0
    """Minimum seconds before a hedge."""
    share: float = 0.05
    """Maximum fraction of requests that are hedged."""


type AccountStrategy = Literal["fill-first", "round-robin", "p2c", "random", "least-used", "cost-optimized"]
type ComboStrategy = Literal["priority", "round-robin", "random", "weighted", "least-used", "cost-optimized"]

ACCOUNT_STRATEGIES: tuple[str, ...] = get_args(AccountStrategy.__value__)
COMBO_STRATEGIES: tuple[str, ...] = get_args(ComboStrategy.__value__)
MAX_STICKY = 1000
MAX_RETRIES = 10
MAX_DELAY = 30.0
MAX_WAIT = 300.0
MAX_QUEUE = 100_000
MAX_DEADLINE = 86400.0
MAX_TRIES = 1000


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How a combo tries each of its targets. None for the default of all combos."""

    retries: int | None = None
    """Number of retries of a target after a transient failure, before the next one is tried."""
    retry_delay: float | None = None
    """Seconds before each retry."""
    hedge: bool | None = None
    """Whether to hedge when a target is slow."""
    resume: bool | None = None
    """Whether the next target resumes an interrupted answer."""
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Phase -> seconds."""


@dataclass(frozen=True, slots=True)
class ComboDefaults:
    """Defaults for combos that do not set a value themselves."""

    strategy: str = "priority"
    retries: int = 0
    retry_delay: float = 0.0
    hedge: bool | None = None
    resume: bool | None = None
    """None for the global setting, here and above."""
    queue_timeout: float | None = None
    """Seconds, as the five below; None for the provider's or global setting."""
    connect_timeout: float | None = None
    first_byte_timeout: float | None = None
    first_content_timeout: float | None = None
    idle_timeout: float | None = None
    total_timeout: float | None = None

    @property
    def deadlines(self) -> Mapping[str, float]:
        """Phase -> seconds, for the phases that are set."""
        found = {phase: getattr(self, f"{phase}_timeout") for phase in PHASES}
        return {phase: seconds for phase, seconds in found.items() if seconds is not None}


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The admission queue for accounts at their rate limits."""

    size: int = 1000
    """Maximum number of queued requests per account; more are refused at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, each with its default."""

    strategy: str = "fill-first"
    strategies: Mapping[str, str] = field(default_factory=dict)
    """Provider id -> its own strategy."""
    sticky_limit: int = 3
    affinity: bool = True
    combo: ComboDefaults = field(default_factory=ComboDefaults)
    queue: QueueSettings = field(default_factory=QueueSettings)
    lockout: LockoutSettings = field(default_factory=LockoutSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings)
    provider_deadlines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Provider id -> phase -> seconds, where a provider has its own."""
    resilience: Resilience = field(default_factory=Resilience)
    cooldowns: bool = True
    cooldown_wait: float = 10.0
    """Maximum seconds that a request waits for the end of a cooldown when there is no other target."""
    thinking: ThinkingSettings = field(default_factory=ThinkingSettings)
    system_prompt: str = ""
    """Prompt to put before the client's own instructions, for every model."""
    cache: CacheSettings = field(default_factory=CacheSettings)
    idempotency: IdempotencySettings = field(default_factory=IdempotencySettings)
    resume: ResumeSettings = field(default_factory=ResumeSettings)
    hedge: HedgeSettings = field(default_factory=HedgeSettings)
    server: ServerLimits = field(default_factory=ServerLimits)
    blocked: frozenset[str] = frozenset()
    """Ids of providers that are not used."""
    trusted_proxies: str = ""
    """Networks of trusted proxies, separated by commas."""
    reset: tuple[float, tuple[str, ...]] = (0.0, ())
    """Time of the last reset of cooldowns and breakers, and the ids that it applies to; empty for all."""
    repriced: float = 0.0
    """Time when the history was last priced again; spending is then read again."""
    unlocks: frozenset[tuple[float, str]] = frozenset()
    """Times of recent unlocks, each with its identifier; `*` for all."""

    @property
    def shape(self) -> Shape:
        """The changes made to every request, which the cache key has to include."""
        return Shape(self.thinking, self.system_prompt)

    def strategy_of(self, provider: str) -> str:
        """Return the account strategy of a provider."""
        return self.strategies.get(provider, self.strategy)


GROUPS: dict[str, type[Any]] = {
    "combo": ComboDefaults,
    "queue": QueueSettings,
    "deadlines": DeadlineSettings,
    "thinking": ThinkingSettings,
    "lockout": LockoutSettings,
    "backup": BackupSettings,
    "cache": CacheSettings,
    "idempotency": IdempotencySettings,
    "resume": ResumeSettings,
    "hedge": HedgeSettings,
    "server": ServerLimits,
    "budget": BudgetSettings,
}
"""Groups of settings, each a field of `Settings` of that name."""


def resilience_of(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Extract overrides of profiles and providers, stored as `resilience.NAME.FIELD`: name -> field -> value."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        head, _, rest = name.partition(".")
        if head == "resilience":
            whose, _, what = rest.rpartition(".")
            found.setdefault(whose, {})[what] = value
    return found


def settings_of(values: Mapping[str, Any], blocked: frozenset[str] = frozenset()) -> Settings:
    """Build the settings from stored values; the setting `GROUP.NAME` is a field of its group."""
    made_here = {"strategies", "provider_deadlines", "blocked", "resilience", "reset", "unlocks", *GROUPS}
    plain = {f.name for f in fields(Settings)} - made_here
    return Settings(
        **_of(plain, values),
        **{group: kind(**_of((f.name for f in fields(kind)), values, f"{group}.")) for group, kind in GROUPS.items()},
        strategies={name.partition(".")[2]: value for name, value in values.items() if name.startswith("strategy.")},
        provider_deadlines=of_providers(values),
        resilience=Resilience(resilience_of(values)),
        blocked=blocked,
        reset=(values["reset"][0], tuple(values["reset"][1])) if "reset" in values else (0.0, ()),
        unlocks=frozenset((at, name) for at, name in values.get("unlocks", ())),
    )


def _of(names: Iterable[str], values: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    return {name: values[start + name] for name in names if start + name in values}
