"""Routing decisions: mostly pure functions from configuration and observed state to a plan or a verdict."""
