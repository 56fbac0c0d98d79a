"""Exports, imports and backups of the database."""
