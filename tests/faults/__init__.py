"""Long randomised fault runs, outside the suite: `make faults`."""
