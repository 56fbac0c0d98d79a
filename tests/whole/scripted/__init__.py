"""The parts of the scripted upstream: what it says, how it misbehaves, how it speaks HTTP."""
