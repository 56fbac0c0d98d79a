"""Tables of what the gateway notes of itself: for other processes to see, and to go on from after a restart."""

from peewee import BlobField, BooleanField, CompositeKey, FloatField, IntegerField, TextField

from omniroute.store.db.tables import Table


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


class KeyUses(Table):
    """When a key was used last, and from where; the gateway says so now and then."""

    key = TextField(primary_key=True)
    at = FloatField()
    source = TextField()


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


class BudgetEstimates(Table):
    """What was counted against budgets over what an exchange is known to have cost."""

    exchange = TextField(primary_key=True)
    key = TextField()
    at = FloatField()
    usd = FloatField()


class Imports(Table):
    """Imports that are not complete: what they have added to the history is in `ImportRows`."""

    id = TextField(primary_key=True)
    """The name of the folder that the process of the import has locked."""
    at = FloatField()


class ImportRows(Table):
    """What an import has added to the history."""

    import_ = TextField(column_name="import")
    tab = TextField()
    row = TextField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("import_", "tab", "row")
