"""Facts about providers, models and prices: data, and the few functions that look it up."""
