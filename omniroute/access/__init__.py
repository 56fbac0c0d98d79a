"""Access rules: client addresses, IP filter, lockouts, model allow lists, keys in URLs. Pure."""
