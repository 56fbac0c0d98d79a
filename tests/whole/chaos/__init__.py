"""Five targets that fail and recover by a seeded schedule, and fifty clients that must not notice."""
