"""Pure policy: no I/O, no clock, no randomness of its own; decisions come back as values."""
