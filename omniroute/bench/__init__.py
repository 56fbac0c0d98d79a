"""Requests that the gateway asks itself, through its own port, so that a person can see what becomes of them."""
