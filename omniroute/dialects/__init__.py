"""Wire formats: each a package of pure readers and writers. No I/O, no clock, no randomness, no logging."""
