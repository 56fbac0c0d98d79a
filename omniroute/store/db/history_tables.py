"""Tables of the usage history, its rollups, conversations and cached answers."""

from typing import Any

from peewee import AutoField, BlobField, BooleanField, CompositeKey, FloatField, IntegerField, TextField

from omniroute.store.db.tables import Table


class AnyInteger(IntegerField):
    """An integer column without conversion of its values; `bounds` handles invalid ones."""

    def python_value(self, value: Any) -> Any:
        return value


class AnyReal(FloatField):
    """A real column without conversion of its values, like `AnyInteger`."""

    def python_value(self, value: Any) -> Any:
        return value


class UsageHistory(Table):
    id = TextField(primary_key=True)
    at = AnyReal()
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
    status = AnyInteger(null=True)
    error = TextField(null=True)
    input = AnyInteger(null=True)
    output = AnyInteger(null=True)
    cache_read = AnyInteger(null=True)
    cache_write = AnyInteger(null=True)
    reasoning = AnyInteger(null=True)
    cost = AnyReal(null=True)
    attempts = TextField()
    latency_ms = AnyReal()
    ttft_ms = AnyReal(null=True)
    overhead_ms = AnyReal(null=True)
    dropped = TextField()
    replayed = TextField(null=True)


class UsageSlots(Table):
    """Rollup of the usage history in slots of 15 minutes, per dimension; triggers keep it up to date."""

    kind = TextField()
    """`total`, `provider`, `model`, `key` or `account`."""
    slot = IntegerField()
    """Start of the 15-minute slot, in seconds of the epoch."""
    of = TextField()
    """The id within the dimension; empty for none and for the total."""
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
    """Sum over all exchanges in milliseconds, as is `ttft`."""
    ttft = FloatField()
    ttfts = IntegerField()
    """Number of exchanges with a time to the first token."""
    last = FloatField()
    """Time of the last exchange, which also provides `name`."""

    class Meta:  # noqa: D106
        primary_key = CompositeKey("kind", "slot", "of")


class UsageLatencies(Table):
    """Histogram of the latencies of successful exchanges, per hour and provider."""

    slot = IntegerField()
    """Start of the hour, in seconds of the epoch."""
    provider = TextField()
    what = TextField()
    """`latency` or `ttft`."""
    bucket = IntegerField()
    """Milliseconds, rounded to two significant digits."""
    number = IntegerField()

    class Meta:  # noqa: D106
        primary_key = CompositeKey("slot", "provider", "what", "bucket")


class ComboSlots(Table):
    """Rollup of usage by combo and target in slots of 15 minutes; triggers keep it up to date."""

    slot = IntegerField()
    """Start of the 15-minute slot, in seconds of the epoch."""
    combo = TextField()
    target = TextField()
    """Empty where no target was tried, or none has answered."""
    requests = IntegerField()
    failed = IntegerField()
    moved_on = IntegerField()
    """Number of exchanges with more than one attempt."""
    input = IntegerField()
    output = IntegerField()
    cost = FloatField()
    unknown_cost = IntegerField()
    latency = FloatField()
    """Sum over all exchanges in milliseconds."""
    last = FloatField()
    """Time of the last exchange."""

    class Meta:  # noqa: D106
        primary_key = CompositeKey("slot", "combo", "target")


class KeptConversation(Table):
    """A conversation: connected turns that expire and are deleted together."""

    id = TextField(primary_key=True)
    expires = FloatField()
    bytes = IntegerField()


class KeptReply(Table):
    """One turn: the items that the request added and the reply, encrypted."""

    exchange = TextField(primary_key=True)
    conversation = TextField()
    parent = TextField(null=True)
    """The preceding exchange of the conversation; empty if it is not stored here."""
    id = TextField()
    owner = TextField()
    """The id of the gateway key; empty for requests without one."""
    account = TextField()
    native = BooleanField()
    hidden = BooleanField()
    """Whether it was deleted, but is still needed by later turns."""
    at = FloatField()
    bytes = IntegerField()
    content = BlobField()


class KeptItem(Table):
    """Index of reply items by id."""

    number = AutoField()
    id = TextField()
    owner = TextField()
    exchange = TextField()


class KeptAnswer(Table):
    """A cached answer, encrypted."""

    key = TextField(primary_key=True)
    """Digest of everything that determines the answer, and of the owner that may receive it."""
    at = FloatField()
    similar = BooleanField()
    """Whether similar requests may receive it too."""
    content = BlobField()
