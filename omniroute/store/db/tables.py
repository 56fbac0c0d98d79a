"""Tables of the configuration; see `history_tables` and `state_tables` for the others.

The table classes are not bound to a database: each query is executed on the database of a store.
"""

from peewee import BlobField, BooleanField, CompositeKey, FloatField, IntegerField, Model, TextField


class Table(Model):
    """Base of all tables; the table name is the class name in snake case."""

    class Meta:  # noqa: D106
        legacy_table_names = False


class Meta(Table):
    """Properties of the database itself, such as the check value of its encryption key."""

    name = TextField(primary_key=True)
    value = BlobField()


class ConfigRevision(Table):
    """One row with the configuration revision, which triggers increment with each change."""

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
    """Empty uses the setting for all combos."""
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
    """Account id, combo name or provider id; empty for the global level."""
    url = TextField()
    """URL without user and password, or `direct`."""
    secret = BlobField(null=True)
    created_at = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("level", "ref")


class AccountLimits(Table):
    """Rate limits by account id, or by the implicit account id of a node without accounts."""

    account = TextField(primary_key=True)
    rpm = IntegerField(null=True)
    gap = FloatField(null=True)
    concurrency = IntegerField(null=True)


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


class IpRules(Table):
    """Networks that are allowed, denied or banned."""

    kind = TextField()
    network = TextField()
    until = FloatField(null=True)
    """End of a ban, in seconds of the epoch."""
    reason = TextField()
    created_at = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("kind", "network")


class Prices(Table):
    """Custom prices in USD per million tokens; null uses the price library for a token class."""

    provider = TextField()
    model = TextField()
    """`*` stands for every model of the provider."""
    input = FloatField(null=True)
    output = FloatField(null=True)
    cache_read = FloatField(null=True)
    cache_write = FloatField(null=True)
    reasoning = FloatField(null=True)

    class Meta:  # noqa: D106
        primary_key = CompositeKey("provider", "model")


class Budgets(Table):
    key = TextField()
    """Key id; empty for all requests without a key."""
    period = TextField()
    usd = FloatField()
    warn = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("key", "period")
