"""What the strategies remember, so that a restart changes nobody's turn."""

from omniroute.routing.strategy_state import StrategyChanges, StrategyState, Use
from omniroute.store.db.database import Store
from omniroute.store.db.state_tables import AccountUses, ComboCalls


def load(store: Store) -> StrategyState:
    """Take up what was saved."""
    uses = {
        row["account"]: Use(row["provider"], row["serial"], row["streak"], row["at"])
        for row in store.rows(AccountUses.select())
    }
    calls = {(row["combo"], row["listed"]): row["calls"] for row in store.rows(ComboCalls.select())}
    return StrategyState(uses, calls)


def last_used(store: Store) -> dict[str, float]:
    """Say when each account was asked last, by its id; who never was is not in it."""
    return {row["account"]: row["at"] for row in store.rows(AccountUses.select())}


def save(store: Store, changes: StrategyChanges) -> None:
    """Write what has changed; safe to repeat."""
    with store.change():
        store.run_many(
            "insert or replace into account_uses (account, provider, serial, streak, at) values (?, ?, ?, ?, ?)",
            [(account, use.provider, use.serial, use.streak, use.at) for account, use in changes.uses.items() if use],
        )
        store.run_many(
            "insert or replace into combo_calls (combo, listed, calls) values (?, ?, ?)",
            [(*step, calls) for step, calls in changes.calls.items() if calls is not None],
        )
        store.run_many(
            "delete from account_uses where account = ?",
            [(account,) for account, use in changes.uses.items() if use is None],
        )
        store.run_many(
            "delete from combo_calls where combo = ? and listed = ?",
            [step for step, calls in changes.calls.items() if calls is None],
        )
