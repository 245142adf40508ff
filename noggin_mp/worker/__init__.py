"""A worker process: lease, do, settle."""
