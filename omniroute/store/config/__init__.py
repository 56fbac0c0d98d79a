"""Configuration tables: accounts, nodes, combos, keys, budgets, prices and settings."""
