"""Side calls to providers: tests and quota. Never the traffic itself."""
