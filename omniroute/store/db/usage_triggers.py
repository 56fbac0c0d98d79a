"""The migration that adds the usage rollups, so that a page that shows months need not read every exchange.

Triggers update the rollups, so code that writes or reprices the history need not. Frozen, as every migration is.
"""

from peewee import SqliteDatabase

SLOT = "cast({row}.at / 900 as integer) * 900"
"""Slots of 15 minutes: the days of all time zones begin at a slot boundary."""
OF = {
    "total": ("''", "null"),
    "provider": ("coalesce({row}.provider, '')", "{row}.provider"),
    "model": ("coalesce({row}.model_served, {row}.model_asked)", "coalesce({row}.model_served, {row}.model_asked)"),
    "key": ("coalesce({row}.key_id, '')", "{row}.key_name"),
    "account": ("coalesce({row}.account_id, '')", "{row}.account_name"),
}
UNKNOWN = "({row}.cost is null and coalesce({row}.input, 0) + coalesce({row}.output, 0) > 0)"
SUMS = {
    "requests": "1",
    "failed": "{row}.status is null or {row}.status >= 400 or {row}.error is not null",
    **{name: f"coalesce({{row}}.{name}, 0)" for name in ("input", "output", "cache_read", "cache_write", "reasoning")},
    "cost": "coalesce({row}.cost, 0.0)",
    "unknown_cost": UNKNOWN,
    "latency": "{row}.latency_ms",
    "ttft": "coalesce({row}.ttft_ms, 0.0)",
    "ttfts": "{row}.ttft_ms is not null",
}
HOUR = "cast({row}.at / 3600 as integer) * 3600"
TIMES = {"latency": "latency_ms", "ttft": "ttft_ms"}
BUCKET = """case when {ms} < 100 then cast(round({ms}) as integer)
    when {ms} < 1000 then 10 * cast(round({ms} / 10) as integer)
    when {ms} < 10000 then 100 * cast(round({ms} / 100) as integer)
    when {ms} < 100000 then 1000 * cast(round({ms} / 1000) as integer)
    else 10000 * cast(round({ms} / 10000) as integer) end"""
"""Two significant digits are precise enough for percentiles and give few buckets."""
WELL = "{row}.provider is not null and {row}.error is null and {row}.status < 400 and {ms} is not null"


def m010_usage_slots(db: SqliteDatabase) -> None:
    """Create the rollup tables, fill them from the existing history, and create the triggers that update them."""
    for sql in (
        """create table usage_slots (
            kind text not null, slot integer not null, of text not null, name text, requests integer not null,
            failed integer not null, input integer not null, output integer not null, cache_read integer not null,
            cache_write integer not null, reasoning integer not null, cost real not null,
            unknown_cost integer not null, latency real not null, ttft real not null, ttfts integer not null,
            last real not null, primary key (kind, slot, of)) without rowid""",
        """create table usage_latencies (
            slot integer not null, provider text not null, what text not null, bucket integer not null,
            number integer not null, primary key (slot, provider, what, bucket)) without rowid""",
        *(_sum(kind, "h", "from usage_history h where true order by h.at") for kind in OF),
        *(_count(what, "h", "from usage_history h") for what in TIMES),
    ):
        db.execute_sql(sql)
    added = [*(_sum(kind, "new", "where true") for kind in OF), *(_count(what, "new", "") for what in TIMES)]
    _trigger(db, "added", "after insert", added)
    gone = [sql for kind in OF for sql in _take_out(kind)] + [sql for what in TIMES for sql in _count_down(what)]
    _trigger(db, "gone", "after delete", gone)
    priced = "after update of cost"
    _trigger(db, "priced", priced, [_price(kind) for kind in OF], when="when old.cost is not new.cost")


def _sum(kind: str, row: str, source: str) -> str:
    of, name = OF[kind]
    columns = ", ".join(SUMS)
    values = ", ".join(SUMS.values())
    more = ", ".join(f"{column} = {column} + excluded.{column}" for column in SUMS)
    return (
        f"insert into usage_slots (kind, slot, of, name, {columns}, last) "
        f"select '{kind}', {SLOT}, {of}, {name}, {values}, {{row}}.at {source} "
        f"on conflict (kind, slot, of) do update set {more}, "
        "name = case when excluded.last >= last then excluded.name else name end, last = max(last, excluded.last)"
    ).format(row=row)


def _count(what: str, row: str, source: str) -> str:
    ms = f"{row}.{TIMES[what]}"
    return (
        "insert into usage_latencies (slot, provider, what, bucket, number) "
        f"select {HOUR}, {{row}}.provider, '{what}', {BUCKET}, 1 {source} where {WELL} "
        "on conflict (slot, provider, what, bucket) do update set number = number + 1"
    ).format(row=row, ms=ms)


def _take_out(kind: str) -> tuple[str, str]:
    of, _ = OF[kind]
    this = f"where kind = '{kind}' and slot = {SLOT} and of = {of}".format(row="old")
    less = ", ".join(f"{column} = {column} - ({value})" for column, value in SUMS.items()).format(row="old")
    return f"update usage_slots set {less} {this}", f"delete from usage_slots {this} and requests < 1"


def _count_down(what: str) -> tuple[str, str]:
    ms = f"old.{TIMES[what]}"
    this = f"where slot = {HOUR} and provider = {{row}}.provider and what = '{what}' and bucket = {BUCKET}"
    this = this.format(row="old", ms=ms)
    well = WELL.format(row="old", ms=ms)
    return (
        f"update usage_latencies set number = number - 1 {this} and {well}",
        f"delete from usage_latencies {this} and number < 1",
    )


def _price(kind: str) -> str:
    of, _ = OF[kind]
    unknown = f"unknown_cost - {UNKNOWN.format(row='old')} + {UNKNOWN.format(row='new')}"
    return (
        f"update usage_slots set cost = cost - coalesce(old.cost, 0.0) + coalesce(new.cost, 0.0), "
        f"unknown_cost = {unknown} where kind = '{kind}' and slot = {SLOT} and of = {of}"
    ).format(row="new")


def _trigger(db: SqliteDatabase, name: str, event: str, statements: list[str], *, when: str = "") -> None:
    body = " ".join(f"{statement};" for statement in statements)
    db.execute_sql(f"create trigger usage_history_{name} {event} on usage_history {when} begin {body} end")
