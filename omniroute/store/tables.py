"""The tables as they are now. No table is bound to a database: each query is given the store's own."""

from peewee import AutoField, BlobField, BooleanField, CompositeKey, FloatField, IntegerField, Model, TextField


class Table(Model):
    """Base of all tables; a table is called as its class, in snake case."""

    class Meta:  # noqa: D106
        legacy_table_names = False


class Meta(Table):
    """Facts about the database itself, such as how its secrets are sealed."""

    name = TextField(primary_key=True)
    value = BlobField()


class ConfigRevision(Table):
    """One row; triggers count it up with every change of the configuration."""

    id = IntegerField(primary_key=True)
    number = IntegerField()


class ProviderConnections(Table):
    id = TextField(primary_key=True)
    provider = TextField()
    name = TextField()
    secret = BlobField(null=True)
    priority = IntegerField()
    enabled = BooleanField()
    base_url = TextField(null=True)
    created_at = FloatField()


class ProviderNodes(Table):
    prefix = TextField(primary_key=True)
    name = TextField()
    dialect = TextField()
    base_url = TextField()
    created_at = FloatField()


class Combos(Table):
    name = TextField(primary_key=True)
    models = TextField()
    strategy = TextField()
    """Empty goes by the rule for all combos."""
    weights = TextField()
    tries = TextField()
    created_at = FloatField()


class ModelAliases(Table):
    pattern = TextField(primary_key=True)
    target = TextField()
    created_at = FloatField()


class FallbackChains(Table):
    name = TextField(primary_key=True)
    models = TextField()
    serves = TextField()
    created_at = FloatField()


class CustomModels(Table):
    provider = TextField()
    model = TextField()
    name = TextField(null=True)
    context = IntegerField(null=True)
    max_output = IntegerField(null=True)
    images = BooleanField(null=True)
    tools = BooleanField(null=True)
    created_at = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("provider", "model")


class Settings(Table):
    name = TextField(primary_key=True)
    value = TextField()


class BlockedProviders(Table):
    provider = TextField(primary_key=True)
    created_at = FloatField()


class NetworkProxies(Table):
    level = TextField()
    ref = TextField()
    """An account's id, a combo's name, a provider's id; empty for all."""
    url = TextField()
    """Without user and password, or `direct`."""
    secret = BlobField(null=True)
    created_at = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("level", "ref")


class AccountUses(Table):
    """What round-robin and least-used remember of an account."""

    account = TextField(primary_key=True)
    provider = TextField()
    serial = IntegerField()
    streak = IntegerField()
    at = FloatField()


class ComboCalls(Table):
    """How often a combo has been asked (listed is empty), and has led to each of the things that it lists."""

    combo = TextField()
    listed = TextField()
    calls = IntegerField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("combo", "listed")


class AccountLimits(Table):
    """What an account may be asked, by its id or that of a node without accounts."""

    account = TextField(primary_key=True)
    rpm = IntegerField(null=True)
    gap = FloatField(null=True)
    concurrency = IntegerField(null=True)


class LimitsInUse(Table):
    """What limited accounts are doing, as the gateway says now and then."""

    account = TextField(primary_key=True)
    in_flight = IntegerField()
    waiting = IntegerField()
    minute = IntegerField()
    at = FloatField()


class LimitsBegun(Table):
    """When accounts were asked in the last minute whose requests are counted."""

    account = TextField()
    at = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("account", "at")


class LearnedLimits(Table):
    """Until when providers allow no further request."""

    account = TextField()
    model = TextField()
    until = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("account", "model")


class ApiKeys(Table):
    id = TextField(primary_key=True)
    name = TextField()
    digest = BlobField()
    hint = TextField()
    allow = TextField()
    created_at = FloatField()
    revoked_at = FloatField(null=True)
    scopes = TextField()
    expires_at = FloatField(null=True)
    ips = TextField()
    rpm = IntegerField(null=True)
    concurrency = IntegerField(null=True)


class KeyUses(Table):
    """When a key was used last, and from where; the gateway says so now and then."""

    key = TextField(primary_key=True)
    at = FloatField()
    source = TextField()


class IpRules(Table):
    """Networks that are allowed, denied or banned."""

    kind = TextField()
    network = TextField()
    until = FloatField(null=True)
    """The end of a ban."""
    reason = TextField()
    created_at = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("kind", "network")


class UsageHistory(Table):
    id = TextField(primary_key=True)
    at = FloatField()
    key_id = TextField(null=True)
    key_name = TextField(null=True)
    account_id = TextField(null=True)
    account_name = TextField(null=True)
    provider = TextField(null=True)
    model_asked = TextField()
    model_served = TextField(null=True)
    combo = TextField(null=True)
    client_dialect = TextField()
    upstream_dialect = TextField(null=True)
    path = TextField()
    streamed = BooleanField()
    status = IntegerField(null=True)
    error = TextField(null=True)
    input = IntegerField(null=True)
    output = IntegerField(null=True)
    cache_read = IntegerField(null=True)
    cache_write = IntegerField(null=True)
    reasoning = IntegerField(null=True)
    cost = FloatField(null=True)
    attempts = TextField()
    latency_ms = FloatField()
    ttft_ms = FloatField(null=True)
    overhead_ms = FloatField(null=True)
    dropped = TextField()
    replayed = TextField(null=True)


class UsageSlots(Table):
    """The history added up in quarters of an hour, once for each thing that it is looked at by; triggers keep it."""

    kind = TextField()
    """`total`, `provider`, `model`, `key` or `account`."""
    slot = IntegerField()
    """When the quarter of an hour begins, as seconds of the epoch."""
    of = TextField()
    """The id of the thing; empty for none, and for the total."""
    name = TextField(null=True)
    requests = IntegerField()
    failed = IntegerField()
    input = IntegerField()
    output = IntegerField()
    cache_read = IntegerField()
    cache_write = IntegerField()
    reasoning = IntegerField()
    cost = FloatField()
    unknown_cost = IntegerField()
    latency = FloatField()
    """Milliseconds of all exchanges together, as is `ttft`."""
    ttft = FloatField()
    ttfts = IntegerField()
    """How many exchanges had a first token."""
    last = FloatField()
    """When the last exchange was, which has given the name."""

    class Meta:  # noqa: D106
        primary_key = CompositeKey("kind", "slot", "of")


class UsageLatencies(Table):
    """How long providers took: exchanges that went well, counted by the magnitude of their times."""

    slot = IntegerField()
    """When the hour begins, as seconds of the epoch."""
    provider = TextField()
    what = TextField()
    """`latency` or `ttft`."""
    bucket = IntegerField()
    """Milliseconds, with two digits of them."""
    number = IntegerField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("slot", "provider", "what", "bucket")


class KeptConversation(Table):
    """Turns that go on from one another; they are kept and forgotten together."""

    id = TextField(primary_key=True)
    expires = FloatField()
    bytes = IntegerField()


class KeptReply(Table):
    """One turn: what the request added, and the reply to it, sealed."""

    exchange = TextField(primary_key=True)
    conversation = TextField()
    parent = TextField(null=True)
    """The exchange before it in the conversation; empty where that is not kept here."""
    id = TextField()
    owner = TextField()
    """The key that asked; empty for who has none."""
    account = TextField()
    native = BooleanField()
    hidden = BooleanField()
    """Deleted, and still a part of what goes on from it."""
    at = FloatField()
    bytes = IntegerField()
    content = BlobField()


class KeptItem(Table):
    """Where an item of a reply is found by its id."""

    number = AutoField()
    id = TextField()
    owner = TextField()
    exchange = TextField()


class KeptAnswer(Table):
    """What was answered to a request, sealed."""

    key = TextField(primary_key=True)
    """The digest of all that shapes the answer, and of who may have it."""
    at = FloatField()
    content = BlobField()


class Coolings(Table):
    """What is not to be asked for a while."""

    scope = TextField()
    whose = TextField()
    """The id of an account or a provider."""
    model = TextField()
    until = FloatField()
    since = FloatField()
    level = IntegerField()
    cause = TextField()
    why = TextField()
    told = BooleanField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("scope", "whose", "model")


class Breakers(Table):
    scope = TextField()
    whose = TextField()
    failures = IntegerField()
    opened = FloatField(null=True)
    recovery = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("scope", "whose")


class AdminSessions(Table):
    """Who is logged in to administer; no configuration, so no trigger counts it."""

    digest = BlobField(primary_key=True)
    created_at = FloatField()
    expires_at = FloatField()


class Lockouts(Table):
    """Who has shown too many wrong keys or passwords."""

    identifier = TextField(primary_key=True)
    failures = IntegerField()
    at = FloatField()
    until = FloatField()
    locked = BooleanField()


class Prices(Table):
    """USD for a million tokens; null leaves a class as the price library has it."""

    provider = TextField()
    model = TextField()
    """`*` is every model of the provider."""
    input = FloatField(null=True)
    output = FloatField(null=True)
    cache_read = FloatField(null=True)
    cache_write = FloatField(null=True)
    reasoning = FloatField(null=True)

    class Meta:  # noqa: D106
        primary_key = CompositeKey("provider", "model")


class Budgets(Table):
    key = TextField()
    """A key's id; empty for all requests without one."""
    period = TextField()
    usd = FloatField()
    warn = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("key", "period")


class BudgetEstimates(Table):
    """What was counted against budgets over what an exchange is known to have cost."""

    exchange = TextField(primary_key=True)
    key = TextField()
    at = FloatField()
    usd = FloatField()


TABLES: tuple[type[Table], ...] = (
    AdminSessions,
    Meta,
    ConfigRevision,
    ProviderConnections,
    ProviderNodes,
    Combos,
    ModelAliases,
    FallbackChains,
    CustomModels,
    Settings,
    BlockedProviders,
    NetworkProxies,
    AccountUses,
    ComboCalls,
    Coolings,
    Breakers,
    AccountLimits,
    LimitsInUse,
    LimitsBegun,
    LearnedLimits,
    ApiKeys,
    KeyUses,
    IpRules,
    UsageHistory,
    UsageSlots,
    UsageLatencies,
    KeptConversation,
    KeptReply,
    KeptItem,
    Lockouts,
    KeptAnswer,
    Prices,
    Budgets,
    BudgetEstimates,
)
