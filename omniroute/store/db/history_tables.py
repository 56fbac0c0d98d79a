"""Tables of what was asked and answered."""

from typing import Any

from peewee import AutoField, BlobField, BooleanField, CompositeKey, FloatField, IntegerField, TextField

from omniroute.store.db.tables import Table


class AnyInteger(IntegerField):
    """An integer column whose values are read as they are: `bounds` sorts out those that are none."""

    def python_value(self, value: Any) -> Any:
        return value


class AnyReal(FloatField):
    """The same for a real column."""

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


class ComboSlots(Table):
    """What combos have done in quarters of an hour, by who has answered; triggers keep it."""

    slot = IntegerField()
    """When the quarter of an hour begins, as seconds of the epoch."""
    combo = TextField()
    target = TextField()
    """Empty where nobody was asked, or nobody could answer."""
    requests = IntegerField()
    failed = IntegerField()
    moved_on = IntegerField()
    """How many took more than one attempt."""
    input = IntegerField()
    output = IntegerField()
    cost = FloatField()
    unknown_cost = IntegerField()
    latency = FloatField()
    """Milliseconds of all exchanges together."""
    last = FloatField()
    """When the last exchange was."""

    class Meta:  # noqa: D106
        primary_key = CompositeKey("slot", "combo", "target")


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
    similar = BooleanField()
    """Whether who says nearly the same may have it too."""
    content = BlobField()
