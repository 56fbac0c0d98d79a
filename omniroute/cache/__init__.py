"""The response cache: keyed answers, similarity search, single flight. Pure."""
