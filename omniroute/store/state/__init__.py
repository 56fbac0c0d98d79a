"""Runtime state that survives a restart: health, lockouts, sessions, cached answers, conversations."""
