"""Live state of a running gateway: router, authenticator, budget enforcer, usage recorder, metrics, config watcher."""
