"""Providers that hold a request to their own rules as the real ones do, and then do what it says."""
