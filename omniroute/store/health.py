"""Cool-downs and breakers, so that a restart makes nobody well who is not."""

from omniroute.routing.health import Breaker, Cooling, Snapshot
from omniroute.routing.standing import Changes, Health
from omniroute.store.database import Store
from omniroute.store.noted import Breakers, Coolings


def read(store: Store) -> Snapshot:
    """Return what was saved last."""
    cooling = {
        (row["scope"], row["whose"], row["model"]): Cooling(
            row["until"], row["since"], row["level"], row["cause"], row["why"], row["told"]
        )
        for row in store.rows(Coolings.select())
    }
    breakers = {
        (row["scope"], row["whose"]): Breaker(row["failures"], row["opened"], row["recovery"])
        for row in store.rows(Breakers.select())
    }
    return Snapshot(cooling, breakers)


def load(store: Store) -> Health:
    """Take up what was saved."""
    return Health(read(store))


def save(store: Store, changes: Changes) -> None:
    """Write what has changed; safe to repeat."""
    with store.change():
        store.run_many(
            "insert or replace into coolings (scope, whose, model, until, since, level, cause, why, told) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (*key, cooling.until, cooling.since, cooling.level, cooling.cause, cooling.why, cooling.told)
                for key, cooling in changes.cooling.items()
                if cooling
            ],
        )
        store.run_many(
            "insert or replace into breakers (scope, whose, failures, opened, recovery) values (?, ?, ?, ?, ?)",
            [
                (*key, breaker.failures, breaker.opened, breaker.recovery)
                for key, breaker in changes.breakers.items()
                if breaker
            ],
        )
        store.run_many(
            "delete from coolings where scope = ? and whose = ? and model = ?",
            [key for key, cooling in changes.cooling.items() if cooling is None],
        )
        store.run_many(
            "delete from breakers where scope = ? and whose = ?",
            [key for key, breaker in changes.breakers.items() if breaker is None],
        )
