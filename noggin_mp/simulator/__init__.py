"""A fake Noggin API that speaks the contract exactly, faults included."""
