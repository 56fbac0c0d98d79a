"""The catalog of providers, models and prices, with its lookup functions."""
