"""Persistence of the state of routing strategies across restarts."""

from omniroute.routing.strategy_state import StrategyChanges, StrategyState, Use
from omniroute.store.db.database import Store
from omniroute.store.db.state_tables import AccountUses, ComboCalls


def load(store: Store) -> StrategyState:
    """Restore the strategy state from the database."""
    uses = {
        row["account"]: Use(row["provider"], row["serial"], row["streak"], row["at"])
        for row in store.rows(AccountUses.select())
    }
    calls = {(row["combo"], row["listed"]): row["calls"] for row in store.rows(ComboCalls.select())}
    return StrategyState(uses, calls)


def last_used(store: Store) -> dict[str, float]:
    """Return the time of the last request by account id; unused accounts are not included."""
    return {row["account"]: row["at"] for row in store.rows(AccountUses.select())}


def save(store: Store, changes: StrategyChanges) -> None:
    """Store changes; repeating the call has no effect."""
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
