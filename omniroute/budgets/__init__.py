"""Budgets of keys: the ledger of reservations, and calendar periods. Pure."""
