"""Two pretend providers on loopback, so that a person without any key can see the gateway at work."""
