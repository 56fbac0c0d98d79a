"""The migration that adds `combo_slots`, the rollup of usage by combo and target, kept up to date by triggers.

Frozen, as every migration is.
"""

from peewee import SqliteDatabase

OF = (
    "cast({row}.at / 900 as integer) * 900",
    "{row}.combo",
    "coalesce({row}.model_served, '')",
)
SUMS = {
    "requests": "1",
    "failed": "{row}.status is null or {row}.status >= 400 or {row}.error is not null",
    "moved_on": "json_array_length({row}.attempts) > 1",
    "input": "coalesce({row}.input, 0)",
    "output": "coalesce({row}.output, 0)",
    "cost": "coalesce({row}.cost, 0.0)",
    "unknown_cost": "{row}.cost is null and coalesce({row}.input, 0) + coalesce({row}.output, 0) > 0",
    "latency": "{row}.latency_ms",
}
COUNTS = "{row}.combo is not null and {row}.replayed is null"
"""Condition for exchanges that are counted: those of a combo that were not answered from the cache."""
THIS = f"where slot = {OF[0]} and combo = {OF[1]} and target = {OF[2]}"


def m016_combo_slots(db: SqliteDatabase) -> None:
    """Create the rollup table, fill it from the existing history, and create the triggers that keep it up to date."""
    db.execute_sql(
        """create table combo_slots (
        slot integer not null, combo text not null, target text not null, requests integer not null,
        failed integer not null, moved_on integer not null, input integer not null, output integer not null,
        cost real not null, unknown_cost integer not null, latency real not null, last real not null,
        primary key (slot, combo, target)) without rowid"""
    )
    db.execute_sql(_put("h", f"from usage_history h where {COUNTS}"))
    _trigger(db, "added", "after insert", "new", _put("new", "where true"))
    less = ", ".join(f"{name} = {name} - ({value})" for name, value in SUMS.items())
    gone = f"update combo_slots set {less} {THIS}; delete from combo_slots {THIS} and requests < 1"
    _trigger(db, "gone", "after delete", "old", gone.format(row="old"))
    changes = ", ".join(
        f"{name} = {name} - ({SUMS[name].format(row='old')}) + ({SUMS[name].format(row='new')})"
        for name in ("cost", "unknown_cost")
    )
    _trigger(db, "priced", "after update of cost", "new", f"update combo_slots set {changes} {THIS.format(row='new')}")


def _put(row: str, source: str) -> str:
    more = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
    return (
        f"insert into combo_slots (slot, combo, target, {', '.join(SUMS)}, last) "
        f"select {', '.join((*OF, *SUMS.values()))}, {{row}}.at {source} "
        f"on conflict (slot, combo, target) do update set {more}, last = max(last, excluded.last)"
    ).format(row=row)


def _trigger(db: SqliteDatabase, name: str, event: str, row: str, statements: str) -> None:
    when = COUNTS.format(row=row)
    db.execute_sql(f"create trigger combo_{name} {event} on usage_history when {when} begin {statements}; end")
