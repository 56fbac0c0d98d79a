"""Persistent storage in SQLite. Queries return dataclasses; database rows do not leave this package."""
