"""The migration that bounds the numbers in the usage history and its rollups. Frozen, as every migration is.

A number outside its bounds becomes unknown: upstreams have reported 2**63 - 1 tokens, 1e308 and -5. The triggers ignore
such values, so that the sums of the rollups stay within 64 bits.
"""

from peewee import SqliteDatabase

from omniroute.store.db.usage_triggers import BUCKET, OF

COUNTS = ("input", "output", "cache_read", "cache_write", "reasoning")
REALS = {"cost": "1e9", "ttft_ms": "1e10", "overhead_ms": "1e10"}
IS_COUNT = "typeof({row}.{name}) = 'integer' and {row}.{name} between 0 and 1000000000"
IS_REAL = "typeof({row}.{name}) in ('integer', 'real') and {row}.{name} between 0 and {most}"


def _count(name: str) -> str:
    return f"case when {IS_COUNT.format(row='{row}', name=name)} then {{row}}.{name} end"


def _real(name: str, most: str) -> str:
    return f"case when {IS_REAL.format(row='{row}', name=name, most=most)} then {{row}}.{name} end"


AT = f"coalesce({_real('at', '253402300799')}, 0.0)"
COST, TTFT = _real("cost", "1e9"), _real("ttft_ms", "1e10")
LATENCY = f"coalesce({_real('latency_ms', '1e10')}, 0.0)"
SLOT, HOUR = f"cast({AT} / 900 as integer) * 900", f"cast({AT} / 3600 as integer) * 3600"
UNKNOWN = f"(({COST}) is null and coalesce({_count('input')}, 0) + coalesce({_count('output')}, 0) > 0)"
FAILED = "({row}.status is null or {row}.status >= 400 or {row}.error is not null)"
SUMS = {
    "requests": "1",
    "failed": FAILED,
    **{name: f"coalesce({_count(name)}, 0)" for name in COUNTS},
    "cost": f"coalesce({COST}, 0.0)",
    "unknown_cost": UNKNOWN,
    "latency": LATENCY,
    "ttft": f"coalesce({TTFT}, 0.0)",
    "ttfts": f"({TTFT}) is not null",
}
TIMES = {"latency": LATENCY, "ttft": f"({TTFT})"}
WELL = "{row}.provider is not null and {row}.error is null and {row}.status < 400 and {ms} is not null"
COMBO_OF = (SLOT, "{row}.combo", "coalesce({row}.model_served, '')")
COMBO_SUMS = {
    "requests": "1",
    "failed": FAILED,
    "moved_on": "coalesce(case when json_valid({row}.attempts) then json_array_length({row}.attempts) end, 0) > 1",
    **{name: SUMS[name] for name in ("input", "output", "cost", "unknown_cost", "latency")},
}
COMBO_COUNTS = "{row}.combo is not null and {row}.replayed is null"
COMBO_THIS = f"where slot = {COMBO_OF[0]} and combo = {COMBO_OF[1]} and target = {COMBO_OF[2]}"


def m017_bounded_usage(db: SqliteDatabase) -> None:
    """Set numbers out of bounds to unknown, add bounds to the triggers, and rebuild the rollups if they are wrong."""
    for name in ("usage_history_added", "usage_history_gone", "usage_history_priced"):
        db.execute_sql(f"drop trigger {name}")
    for name in ("combo_added", "combo_gone", "combo_priced"):
        db.execute_sql(f"drop trigger {name}")
    if _clean(db) or _is_wrong(db):
        _add_up_anew(db)
    _make_triggers(db)


def _clean(db: SqliteDatabase) -> int:
    """Set all numbers out of bounds to unknown and return how many rows were changed."""
    sets = {name: _count(name) for name in COUNTS} | {name: _real(name, most) for name, most in REALS.items()}
    sets["status"] = "case when typeof({row}.status) = 'integer' and {row}.status between 0 and 999 "
    sets["status"] += "then {row}.status end"
    sets |= {"at": AT, "latency_ms": LATENCY}
    for name in ("attempts", "dropped"):
        sets[name] = f"case when json_valid({{row}}.{name}) then {{row}}.{name} else '[]' end"
    changes = ", ".join(f"{name} = {value}" for name, value in sets.items()).format(row="usage_history")
    wrong = " or ".join(f"{{row}}.{name} is not {value}" for name, value in sets.items()).format(row="usage_history")
    return int(db.execute_sql(f"update usage_history set {changes} where {wrong}").rowcount)


def _is_wrong(db: SqliteDatabase) -> bool:
    """Return whether a rollup has a sum that bounded rows cannot produce."""
    for table, names in (("usage_slots", SUMS), ("combo_slots", COMBO_SUMS)):
        reals = ("cost", "latency", "ttft")
        wrong = [f"typeof({name}) <> '{'real' if name in reals else 'integer'}' or {name} < -0.001" for name in names]
        if db.execute_sql(f"select 1 from {table} where {' or '.join(wrong)} limit 1").fetchone():
            return True
    return False


def _add_up_anew(db: SqliteDatabase) -> None:
    for table in ("usage_slots", "usage_latencies", "combo_slots"):
        db.execute_sql(f"delete from {table}")
    for kind in OF:
        db.execute_sql(_put(kind, "h", "from usage_history h where true order by h.at"))
    for what in TIMES:
        db.execute_sql(_put_time(what, "h", "from usage_history h"))
    db.execute_sql(_put_combo("h", f"from usage_history h where {COMBO_COUNTS.format(row='h')}"))


def _make_triggers(db: SqliteDatabase) -> None:
    added = [*(_put(kind, "new", "where true") for kind in OF), *(_put_time(what, "new", "") for what in TIMES)]
    _trigger(db, "usage_history_added", "after insert", added)
    gone = [sql for kind in OF for sql in _take_out(kind)] + [sql for what in TIMES for sql in _take_out_time(what)]
    _trigger(db, "usage_history_gone", "after delete", gone)
    priced = [_price(kind) for kind in OF]
    _trigger(db, "usage_history_priced", "after update of cost", priced, when="old.cost is not new.cost")
    new, old = COMBO_COUNTS.format(row="new"), COMBO_COUNTS.format(row="old")
    _trigger(db, "combo_added", "after insert", [_put_combo("new", "where true")], when=new)
    less = ", ".join(f"{name} = {name} - ({value})" for name, value in COMBO_SUMS.items())
    gone = [f"update combo_slots set {less} {COMBO_THIS}", f"delete from combo_slots {COMBO_THIS} and requests < 1"]
    _trigger(db, "combo_gone", "after delete", [sql.format(row="old") for sql in gone], when=old)
    changes = ", ".join(
        f"{name} = {name} - ({COMBO_SUMS[name].format(row='old')}) + ({COMBO_SUMS[name].format(row='new')})"
        for name in ("cost", "unknown_cost")
    )
    sql = f"update combo_slots set {changes} {COMBO_THIS.format(row='new')}"
    _trigger(db, "combo_priced", "after update of cost", [sql], when=new)


def _put(kind: str, row: str, source: str) -> str:
    of, name = OF[kind]
    more = ", ".join(f"{column} = {column} + excluded.{column}" for column in SUMS)
    return (
        f"insert into usage_slots (kind, slot, of, name, {', '.join(SUMS)}, last) "
        f"select '{kind}', {SLOT}, {of}, {name}, {', '.join(SUMS.values())}, {AT} {source} "
        f"on conflict (kind, slot, of) do update set {more}, "
        "name = case when excluded.last >= last then excluded.name else name end, last = max(last, excluded.last)"
    ).format(row=row)


def _put_time(what: str, row: str, source: str) -> str:
    ms = TIMES[what].format(row=row)
    return (
        "insert into usage_latencies (slot, provider, what, bucket, number) "
        f"select {HOUR}, {{row}}.provider, '{what}', {BUCKET}, 1 {source} where {WELL} "
        "on conflict (slot, provider, what, bucket) do update set number = number + 1"
    ).format(row=row, ms=ms)


def _put_combo(row: str, source: str) -> str:
    more = ", ".join(f"{name} = {name} + excluded.{name}" for name in COMBO_SUMS)
    return (
        f"insert into combo_slots (slot, combo, target, {', '.join(COMBO_SUMS)}, last) "
        f"select {', '.join((*COMBO_OF, *COMBO_SUMS.values()))}, {AT} {source} "
        f"on conflict (slot, combo, target) do update set {more}, last = max(last, excluded.last)"
    ).format(row=row)


def _take_out(kind: str) -> tuple[str, str]:
    of, _ = OF[kind]
    this = f"where kind = '{kind}' and slot = {SLOT} and of = {of}".format(row="old")
    less = ", ".join(f"{column} = {column} - ({value})" for column, value in SUMS.items()).format(row="old")
    return f"update usage_slots set {less} {this}", f"delete from usage_slots {this} and requests < 1"


def _take_out_time(what: str) -> tuple[str, str]:
    ms = TIMES[what].format(row="old")
    this = f"where slot = {HOUR} and provider = {{row}}.provider and what = '{what}' and bucket = {BUCKET}"
    this = this.format(row="old", ms=ms)
    well = WELL.format(row="old", ms=ms)
    return (
        f"update usage_latencies set number = number - 1 {this} and {well}",
        f"delete from usage_latencies {this} and number < 1",
    )


def _price(kind: str) -> str:
    of, _ = OF[kind]
    old, new = SUMS["cost"].format(row="old"), SUMS["cost"].format(row="new")
    unknown = f"unknown_cost - {UNKNOWN.format(row='old')} + {UNKNOWN.format(row='new')}"
    return (
        f"update usage_slots set cost = cost - {old} + {new}, unknown_cost = {unknown} "
        f"where kind = '{kind}' and slot = {SLOT} and of = {of}"
    ).format(row="new")


def _trigger(db: SqliteDatabase, name: str, event: str, statements: list[str], *, when: str = "") -> None:
    body = " ".join(f"{statement};" for statement in statements)
    db.execute_sql(f"create trigger {name} {event} on usage_history {when and f'when {when}'} begin {body} end")
