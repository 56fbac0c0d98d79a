"""Tables of runtime state, which other processes can read and the gateway restores after a restart."""

from peewee import BlobField, BooleanField, CompositeKey, FloatField, IntegerField, TextField

from omniroute.store.db.tables import Table


class AccountUses(Table):
    """State of the round-robin and least-used strategies per account."""

    account = TextField(primary_key=True)
    provider = TextField()
    serial = IntegerField()
    streak = IntegerField()
    at = FloatField()


class ComboCalls(Table):
    """Number of requests for a combo (`listed` is empty), and of those sent to each of its members."""

    combo = TextField()
    listed = TextField()
    calls = IntegerField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("combo", "listed")


class LimitsInUse(Table):
    """Current use of rate-limited accounts, stored by the gateway from time to time."""

    account = TextField(primary_key=True)
    in_flight = IntegerField()
    waiting = IntegerField()
    minute = IntegerField()
    at = FloatField()


class LimitsBegun(Table):
    """Start times of requests in the last minute, for accounts with a rate limit."""

    account = TextField()
    at = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("account", "at")


class LearnedLimits(Table):
    """Times until which providers refuse further requests."""

    account = TextField()
    model = TextField()
    until = FloatField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("account", "model")


class KeyUses(Table):
    """Time and client address of the last use of a gateway key, stored from time to time."""

    key = TextField(primary_key=True)
    at = FloatField()
    source = TextField()


class Coolings(Table):
    """Cooldowns of accounts, providers and their models."""

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
    """Admin login sessions; not configuration, so without a revision trigger."""

    digest = BlobField(primary_key=True)
    created_at = FloatField()
    expires_at = FloatField()


class Lockouts(Table):
    """Lockouts of identifiers after too many wrong keys or passwords."""

    identifier = TextField(primary_key=True)
    failures = IntegerField()
    at = FloatField()
    until = FloatField()
    locked = BooleanField()


class BudgetEstimates(Table):
    """Amounts counted against budgets in addition to the known cost of an exchange."""

    exchange = TextField(primary_key=True)
    key = TextField()
    at = FloatField()
    usd = FloatField()


class Imports(Table):
    """Imports that are not complete; the rows that they have added are in `ImportRows`."""

    id = TextField(primary_key=True)
    """Name of the temporary folder that the importing process has locked."""
    at = FloatField()


class ImportRows(Table):
    """Rows that an import has added to the history."""

    import_ = TextField(column_name="import")
    tab = TextField()
    row = TextField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("import_", "tab", "row")
